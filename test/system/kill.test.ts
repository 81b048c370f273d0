/**
 * kill -9 of any one program, in the middle of a run of 1,000 messages.
 *
 * A ledger says for each message whether its sender heard 250, and how often it arrived. None that
 * was accepted may be missing. Duplicates may arise in three windows only: the sender never heard
 * the answer and sent again; a delivery was done and its checkpoint lost; or was interrupted between
 * two instructions (not possible yet). The second window holds no more than runs at once.
 */

import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { suite, test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import type { SmtpSink } from '../support/smtp-sink.ts'
import { startSmtpSink } from '../support/smtp-sink.ts'

const MESSAGES = 1_000
const SESSIONS = 10
const KILL_AFTER = 300
/** Simultaneous local deliveries and deliveries per site, by default. */
const AT_ONCE = 20

interface Ledger {
  /** Tokens whose sender heard 250. */
  readonly accepted: Set<string>
  /** Tokens that were sent again because no answer was heard. */
  readonly resent: Set<string>
}

function settingsWith(directory: string, sink: SmtpSink): string {
  return `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${sink.port}"
`
}

/** Even messages go to twenty local mailboxes, odd ones to the sink. */
function recipientOf(index: number): string {
  return index % 2 === 0 ? `user${index % 40}@postern.test` : `someone${index}@elsewhere.test`
}

/** A sender that opens a new session when the old one has been lost. */
class PersistentSender {
  readonly #port: () => number
  readonly #ledger: Ledger
  #client: SmtpClient | undefined

  constructor(port: () => number, ledger: Ledger) {
    this.#port = port
    this.#ledger = ledger
  }

  /** Tries once to hand in message `index`; what came of it is in the ledger. */
  async attempt(index: number): Promise<void> {
    const token = `token-${index}-`
    try {
      const client = await this.#session()
      const content = `Subject: ${token}\n\n${'x'.repeat(1_000)}\n`
      const reply = await client.send({ from: 'a@sender.test', to: [recipientOf(index)], content })
      if (reply.code === 250) this.#ledger.accepted.add(token)
      else this.#ledger.resent.add(token)
    } catch {
      this.#ledger.resent.add(token)
      this.close()
      await after(20)
    }
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
  }

  async #session(): Promise<SmtpClient> {
    if (this.#client === undefined) {
      this.#client = new SmtpClient(this.#port())
      await this.#client.hello()
    }
    return this.#client
  }
}

async function sendAll(
  port: () => number,
  next: () => number | undefined,
  ledger: Ledger,
): Promise<void> {
  const sender = new PersistentSender(port, ledger)
  for (let index = next(); index !== undefined; index = next()) {
    for (let tries = 0; !ledger.accepted.has(`token-${index}-`); tries += 1) {
      assert.ok(tries < 2_000, `message ${index} cannot be handed in`)
      await sender.attempt(index)
    }
  }
  sender.close()
}

function countTokens(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) {
    const token = /^Subject: (token-\d+-)/m.exec(text)?.[1]
    if (token !== undefined) counts.set(token, (counts.get(token) ?? 0) + 1)
  }
  return counts
}

async function runWithKill(program: string): Promise<void> {
  const directory = makeDirectory()
  const sink = await startSmtpSink({})
  const settings = settingsWith(directory, sink)
  let postern: Postern = await startPostern({ directory, settings })
  const arrived = () =>
    countTokens([
      ...mailTexts(`${directory}/mail`),
      ...sink.messages.map((message) => message.content),
    ])
  try {
    const ledger: Ledger = { accepted: new Set(), resent: new Set() }
    let index = 0
    let killed = false
    const next = () => (index < MESSAGES ? index++ : undefined)
    const senders = Array.from({ length: SESSIONS }, () =>
      sendAll(() => postern.smtpPort, next, ledger),
    )
    const killer = until(() => ledger.accepted.size >= KILL_AFTER, 120).then(async () => {
      await until(() => postern.pids(program).length > 0, 30)
      for (const pid of postern.pids(program)) process.kill(pid, 'SIGKILL')
      killed = true
      if (program !== 'supervisor') return
      await postern.ended
      await until(() => everyoneHasLeft(directory), 30)
      postern = await startPostern({ directory, settings })
    })
    await Promise.all([...senders, killer])
    assert.ok(killed)
    assert.equal(ledger.accepted.size, MESSAGES)
    await until(() => arrived().size === MESSAGES, 120).catch(() => undefined)
    const counts = arrived()
    const missing = [...ledger.accepted].filter((token) => !counts.has(token))
    assert.deepEqual(
      missing,
      [],
      `lost after kill -9 of ${program}:\n${postern.log().slice(-3_000)}`,
    )
    const twice = [...counts].filter(([token, count]) => count > 1 && !ledger.resent.has(token))
    const most = ['queue', 'local', 'remote', 'supervisor'].includes(program) ? 2 * AT_ONCE : 0
    assert.ok(
      twice.length <= most,
      `${twice.length} duplicates nobody can explain after ${program}`,
    )
  } finally {
    await postern.stop()
    await sink.close()
    removeDirectory(directory)
  }
}

/** No program holds the queue any more once the supervisor is gone. */
function everyoneHasLeft(directory: string): boolean {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return !pids.some((pid) => openFiles(pid).some((file) => file.startsWith(`${directory}/queue`)))
}

function openFiles(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  } catch {
    // Gone, or somebody else's.
    return []
  }
}

suite('kill -9 in the middle of 1,000 messages loses none', () => {
  for (const program of [
    'receiver',
    'queue',
    'launcher',
    'local',
    'remote',
    'pickup',
    'console',
    'supervisor',
  ]) {
    test(`kill -9 of ${program}`, () => runWithKill(program))
  }
})
