/**
 * `postern try`, which is `npm start`: the whole system as whoever calls it, in one directory, on a port of
 * the loopback interface, sending nothing out.
 *
 * The supervisor runs as a child in a session of its own, so that Ctrl-C reaches it once, as the wish
 * to finish; a second one means now.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { ACCOUNT_PATTERN } from '../../contracts/account.ts'
import { DOOR_FILES } from '../../contracts/supervision.ts'
import { BUNDLES, bundleOf, HOME } from './code.ts'
import { fail, print } from './print.ts'
import { supervisorArguments } from './start.ts'
import { supervisorPid } from './stop.ts'

interface TryOptions {
  readonly port: number
  readonly directory: string
  readonly verbose?: boolean
}

const ANOTHER_PORT = 2_600
const START_WITHIN = 30_000
const LOOK_EVERY = 50
/** What fits into the address of a Unix socket on every system. */
const LONGEST_SOCKET_PATH = 103
const EX_UNAVAILABLE = 69

export async function tryOut(options: TryOptions): Promise<void> {
  const directory = resolve(options.directory)
  const problem = await problemOf(directory, options.port)
  const supervisor = bundleOf('supervisor')
  if (problem !== undefined || supervisor === undefined) {
    const text = problem ?? `there is no supervisor in ${BUNDLES}: run "npm run build"`
    return fail('postern try', { exitCode: EX_UNAVAILABLE, text })
  }
  const config = prepare(directory, options)
  const args = supervisorArguments(supervisor, config, process.getuid?.() === 0)
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  })
  const ended = once(child, 'exit')
  passOnSignals(child)
  if (await isReady(child, join(directory, 'run/ready'))) await print(welcome(directory))
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null]
  if (code !== 0) process.exitCode = code ?? 70
  await print(
    code === 0 ? 'Postern has stopped.\n' : `Postern ended: ${signal ?? `code ${code}`}.\n`,
  )
}

async function problemOf(directory: string, port: number): Promise<string | undefined> {
  const longest = join(directory, 'run', DOOR_FILES.operators)
  if (Buffer.byteLength(longest) > LONGEST_SOCKET_PATH) {
    return `the name of ${directory} is too long for the sockets in it: choose another with --directory`
  }
  const running = supervisorPid(join(directory, 'run'))
  if (running !== undefined) {
    return `Postern runs in ${directory} already (process ${running}): stop it, or choose another with --directory`
  }
  const taken = await portProblem(port)
  return taken === undefined
    ? undefined
    : `cannot listen on 127.0.0.1:${port}: ${taken}. Choose another, as in "npm start -- --port ${ANOTHER_PORT}"`
}

/** Undefined if the port is free. */
async function portProblem(port: number): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1' })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return 'another program has that port'
    return code === 'EACCES' ? 'that port is for root only' : message
  } finally {
    server.close()
  }
}

/** Makes the directories and the configuration; answers its path. */
function prepare(directory: string, { port, verbose }: TryOptions): string {
  for (const name of [
    'queue',
    'drop',
    'run',
    'mail',
    'outbound/new',
    'outbound/cur',
    'outbound/tmp',
  ]) {
    mkdirSync(join(directory, name), { recursive: true, mode: 0o700 })
  }
  const config = join(directory, 'postern.toml')
  const log = verbose === true ? 'stderr' : join(directory, 'log')
  writeFileSync(config, tryConfiguration({ directory, port, log, user: userName() }))
  return config
}

/** In this mode nobody becomes another user, so an unusual name may be replaced by any other. */
function userName(): string {
  const { username } = userInfo()
  return ACCOUNT_PATTERN.test(username) ? username : 'nobody'
}

export function tryConfiguration(given: {
  readonly directory: string
  readonly port: number
  readonly log: string
  readonly user: string
}): string {
  // What JSON escapes in a text, TOML reads the same.
  const path = (name: string) => JSON.stringify(join(given.directory, name))
  const user = JSON.stringify(given.user)
  return `# Written by "postern try" ("npm start") each time it starts: changes here are lost.
hostname = "postern.test"

[listen]
smtp = ["127.0.0.1:${given.port}"]

[paths]
queue = ${path('queue')}
drop = ${path('drop')}
run = ${path('run')}

[domains."postern.test"]             # any local part: its Maildir is made when mail comes
maildir = ${path('mail/{local}/')}
user = ${user}
create = true

[local]
postmaster = "postmaster@postern.test"

[relay]
from = ["127.0.0.0/8", "::1"]

[routes]
"*" = ${JSON.stringify(`maildir:${join(given.directory, 'outbound')}/?user=${given.user}`)}   # nothing leaves this machine

[log]
to = ${JSON.stringify(given.log)}
`
}

function passOnSignals(child: ChildProcess): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => child.kill('SIGTERM'))
  }
  process.on('SIGHUP', () => child.kill('SIGHUP'))
  process.on('exit', () => child.kill('SIGTERM'))
}

async function isReady(child: ChildProcess, file: string): Promise<boolean> {
  for (const end = Date.now() + START_WITHIN; Date.now() < end; ) {
    if (child.exitCode !== null || child.signalCode !== null) return false
    if (existsSync(file)) return true
    await after(LOOK_EVERY)
  }
  process.stderr.write(`postern try: not ready after ${START_WITHIN / 1_000} s; Ctrl-C stops it\n`)
  return false
}

function welcome(directory: string): string {
  const shown = relative('', directory)
  const here = shown === '' || shown.startsWith('..') ? directory : shown
  const bin = relative('', join(HOME, 'bin'))
  const drop = directory === join(HOME, 'var') ? '' : `POSTERN_DROP=${here}/drop `
  return `Postern listens on ${listening(directory)} (SMTP) and in ${here}/drop.

  send      printf 'Subject: hello\\n\\nFirst mail.\\n' | ${drop}${bin}/sendmail joe@postern.test
            swaks --server ${listening(directory)} --to joe@postern.test
  read      ${here}/mail/joe/new/    mail for anything@postern.test, by local part
            ${here}/outbound/new/    mail for all other domains; it never leaves this machine
  look      ${bin}/postern status --run ${here}/run
  log       ${here}/log    (or start with --verbose)

Ctrl-C stops it. What is queued then goes on when it starts again.
`
}

/** `127.0.0.1:2525`: what was asked for, or what the system chose. */
function listening(directory: string): string {
  const file = join(directory, 'run/listening.json')
  const doors = JSON.parse(readFileSync(file, 'utf8')) as readonly {
    readonly kind: string
    readonly port: number
  }[]
  return `127.0.0.1:${doors.find(({ kind }) => kind === 'smtp')?.port ?? '?'}`
}
