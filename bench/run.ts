/**
 * SMTP in to the Maildirs of 20 users: 4 KB messages over 20 sessions, Postern and Postfix in turn in
 * the same run, each with its normal durable settings.
 *
 *     npm run bench [-- --messages 4000 --rounds 3 --only postern]
 *
 * The time of a round ends when the last message lies in a Maildir. Quote medians and the ratio: machines
 * are shared and noisy. Needs root and Debian's postfix package for the comparison; without, it
 * says so and measures Postern alone.
 */

import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Peer } from './peer.ts'
import { startPosternPeer } from './postern.ts'
import { startPostfix } from './postfix.ts'
import type { ProcessCost } from './processes.ts'
import { costsOf } from './processes.ts'
import { sendLoad } from './smtp-load.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
})
const MESSAGES = Number(values.messages)
const ROUNDS = Number(values.rounds)
const USERS = 20
const SESSIONS = 20
const SIZE = 4_096
const MOST_SECONDS = 300

interface Round {
  readonly acceptedPerSecond: number
  readonly deliveredPerSecond: number
  readonly costs: readonly ProcessCost[]
}

async function measure(peer: Peer): Promise<Round> {
  const before = new Map(costsOf(peer.pid).map((cost) => [cost.name, cost.cpuSeconds]))
  const already = countMail(peer)
  const started = performance.now()
  const accepting = await sendLoad({
    port: peer.port,
    sessions: SESSIONS,
    messages: MESSAGES,
    size: SIZE,
    recipient: (index) => `user${index % USERS}@${peer.domain}`,
  })
  while (countMail(peer) < already + MESSAGES) {
    if (performance.now() - started > MOST_SECONDS * 1_000) throw new Error(`${peer.name} is stuck`)
    await after(20)
  }
  const seconds = (performance.now() - started) / 1_000
  const costs = costsOf(peer.pid).map((cost) => ({
    ...cost,
    cpuSeconds: cost.cpuSeconds - (before.get(cost.name) ?? 0),
  }))
  return { acceptedPerSecond: MESSAGES / accepting, deliveredPerSecond: MESSAGES / seconds, costs }
}

function countMail(peer: Peer): number {
  return globSync('*/new/*', { cwd: peer.mail }).length
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function report(name: string, rounds: readonly Round[]): number {
  const delivered = rounds.map((round) => round.deliveredPerSecond)
  const accepted = rounds.map((round) => round.acceptedPerSecond)
  say(
    `${name}: median ${median(delivered).toFixed(0)} messages/s from the first byte to the last Maildir` +
      ` (${delivered.map((rate) => rate.toFixed(0)).join(', ')}); accepted at ${median(accepted).toFixed(0)}/s`,
  )
  for (const cost of rounds.at(-1)?.costs ?? []) {
    const micro = (cost.cpuSeconds / MESSAGES) * 1_000_000
    say(
      `    ${cost.name.padEnd(12)} ${cost.cpuSeconds.toFixed(2)} s CPU, ${micro.toFixed(0)} µs a message, ${cost.residentMegabytes.toFixed(0)} MB`,
    )
  }
  return median(delivered)
}

function whyNoPostfix(): string | undefined {
  if (values.only === 'postern') return 'asked for Postern only'
  if (process.getuid?.() !== 0) return 'needs root'
  try {
    execFileSync('postconf', ['-h', 'mail_version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'the package postfix is not installed'
  }
}

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'))
execFileSync('chmod', ['755', directory])
const peers: { peer: Peer; rounds: Round[] }[] = []
try {
  const postern = await startPosternPeer(join(directory, 'postern'))
  peers.push({ peer: postern, rounds: [] })
  const missing = whyNoPostfix()
  if (missing === undefined) {
    const postfix = await startPostfix(join(directory, 'postfix'), 2_599)
    peers.push({ peer: postfix, rounds: [] })
  } else say(`no comparison with Postfix: ${missing}`)
  say(
    `${MESSAGES} messages of ${SIZE} bytes, ${SESSIONS} sessions, ${USERS} Maildirs, ${ROUNDS} rounds`,
  )
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { peer, rounds } of peers) rounds.push(await measure(peer))
  }
  const [ours = 0, theirs] = peers.map(({ peer, rounds }) => report(peer.name, rounds))
  if (theirs !== undefined) say(`Postern / Postfix: ${(ours / theirs).toFixed(1)}`)
} finally {
  for (const { peer } of peers) await peer.stop()
  rmSync(directory, { recursive: true, force: true })
}
