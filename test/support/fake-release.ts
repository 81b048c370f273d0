/**
 * A release of fake programs, for tests of supervisor and launcher: those two are real, the others
 * do what a line of the test's configuration says.
 *
 * The configuration of such a test is the JSON the fake settings program answers, nearly; what a
 * fake program is to do wrong stands in `parts`.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/** The release bundles of the named programs, beside the fakes. */
export async function makeFakeRelease(real: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-release-'))
  chmodSync(directory, 0o755)
  writeFileSync(join(directory, 'release.json'), '{ "release": "test-1" }\n', { mode: 0o644 })
  for (const name of ['queue', 'launcher', 'receiver', 'pickup', 'remote', 'console']) {
    writeFileSync(join(directory, `${name}.mjs`), FAKE_PROGRAM, { mode: 0o644 })
  }
  writeFileSync(join(directory, 'settings.mjs'), FAKE_SETTINGS, { mode: 0o644 })
  writeFileSync(join(directory, 'local.mjs'), FAKE_AGENT, { mode: 0o644 })
  await build({
    entryPoints: Object.fromEntries(
      real.map((name) => [name, join(root, 'src/programs', name, 'main.ts')]),
    ),
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    logLevel: 'error',
  })
  return directory
}

/** Good settings for a fake release, in `directory`; tests change what they are about. */
export function fakeSettings(directory: string): FakeSettings {
  mkdirSync(directory, { recursive: true })
  const log = { to: { kind: 'stderr' }, format: 'text', keepEvents: 0 }
  return {
    kind: 'settings',
    supervisor: {
      smtp: [{ host: '127.0.0.1', port: 0, name: '127.0.0.1:0' }],
      paths: {
        queue: join(directory, 'queue'),
        drop: join(directory, 'drop'),
        run: join(directory, 'run'),
      },
      receivers: 1,
      remotes: 1,
      log,
      finishWithin: 5,
    },
    parts: { queue: {}, launcher: {}, receiver: {}, pickup: {}, remote: {}, console: {} },
    warnings: [],
  }
}

export interface FakeSettings {
  readonly kind: 'settings'
  supervisor: {
    smtp: { host: string; port: number; name: string }[]
    paths: { queue: string; drop: string; run: string }
    receivers: number
    remotes: number
    log: { to: object; format: string; keepEvents: number }
    finishWithin: number
  }
  /** What a fake program is told; `do` is a piece of code it runs, with `io` at hand. */
  parts: Record<string, { do?: string; [name: string]: unknown }>
  warnings: { line: number; column: number; setting: string; message: string }[]
}

/**
 * What makes the fake queue ask the real launcher: each request in turn, answers and what agents say
 * are logged as `answer TOKEN JSON` and `agent TOKEN JSON`. Needs `greet: false`.
 */
export function askLauncher(requests: readonly object[]): string {
  return `
const frame = (kind, stream, value) => {
  const payload = Buffer.from(JSON.stringify(value))
  const head = Buffer.alloc(9)
  head.writeUInt32BE(payload.length, 0)
  head.writeUInt32BE(stream, 4)
  head[8] = kind
  return Buffer.concat([head, payload])
}
const HELLO = 1, OPEN = 2, END = 5
io.onPartner = (what, socket) => {
  if (what.handover === 'agent') {
    socket.on('data', (bytes) => io.say('agent ' + what.token + ' ' + bytes))
    socket.write('hello')
  }
  if (what.program !== 'launcher') return socket.write('hello ' + what.program)
  let bytes = Buffer.alloc(0)
  socket.on('data', (more) => {
    bytes = Buffer.concat([bytes, more])
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUInt32BE(0)) {
      const size = 9 + bytes.readUInt32BE(0)
      const [kind, stream, text] = [bytes[8], bytes.readUInt32BE(4), bytes.subarray(9, size)]
      bytes = bytes.subarray(size)
      if (kind === HELLO) ${JSON.stringify(requests)}.forEach((value, at) => socket.write(frame(OPEN, at + 1, value)))
      if (kind === END) io.say('answer ' + stream + ' ' + text)
    }
  })
  socket.write(frame(HELLO, 0, { release: 'test-1', program: 'queue' }))
}`
}

export interface Supervised {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  readonly log: () => string
  /** Pids of a program, as it said them itself; the latest last. */
  readonly pids: (program: string) => readonly number[]
  /** Kills what is left. For `after`. */
  readonly end: () => Promise<void>
}

const running = new Set<Supervised>()

/** Starts the real supervisor with `settings`; everything as the current user unless `separated`. */
export function startSupervisor(release: string, config: string, separated = false): Supervised {
  const asRoot = process.getuid?.() === 0
  const flags = asRoot && !separated ? ['--single'] : []
  const child = spawn(
    process.execPath,
    [join(release, 'supervisor.mjs'), '--config', config, ...flags],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  let text = ''
  child.stderr.on('data', (bytes: Buffer) => (text += bytes.toString()))
  const ended = new Promise<number | null>((resolve) =>
    child.once('close', (code) => resolve(code)),
  )
  const supervised: Supervised = {
    process: child,
    ended,
    log: () => text,
    pids: (program) =>
      [...text.matchAll(new RegExp(`^${program}\\.\\d+ begins as (\\d+)`, 'gm'))].map((m) =>
        Number(m[1]),
      ),
    end: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
  running.add(supervised)
  return supervised
}

/** For `afterEach`: no test leaves a process behind. */
export async function endSupervisors(): Promise<void> {
  for (const each of running) await each.end()
  running.clear()
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended; it waits for its parent only.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

export function isReady(settings: FakeSettings): boolean {
  return existsSync(join(settings.supervisor.paths.run, 'ready'))
}

/** Megabytes it has had resident at most. */
export function peakSize(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1]) / 1_024
}

/** The text is the answer. */
const FAKE_SETTINGS = `
import { readFileSync, writeSync } from 'node:fs'
const answer = readFileSync(0)
for (let at = 0; at < answer.length; ) at += writeSync(1, answer, at)
`

/**
 * Speaks the supervisor's language by itself, without a line of the product's code. The queue says
 * `hello NAME` to each partner it is handed, and partners answer, are ready then, and log it.
 */
const FAKE_PROGRAM = `
import { readFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => undefined)
const say = (line) => writeSync(1, line + '\\n')
const status = (value) => writeSync(4, JSON.stringify(value) + '\\n')
const orders = new Socket({ fd: 3, readable: true, writable: false })
let rest = ''
orders.on('data', (bytes) => {
  const lines = (rest + bytes).split('\\n')
  rest = lines.pop()
  for (const line of lines) obey(JSON.parse(line))
})
orders.on('close', () => process.exit(0))
const partners = []
let settings = {}
async function obey(order) {
  if (order.order === 'begin') await begin(order)
  if (order.order === 'settings') say(program + ' is told ' + JSON.stringify(order.settings))
  if (order.order === 'finish') { say(program + ' finishes'); process.exit(0) }
}
let program = '?'
async function begin(order) {
  program = order.program
  settings = order.settings
  say(program + '.' + order.index + ' begins as ' + process.pid + ' ' + JSON.stringify(order.doors))
  const connection = { receiver: 5, pickup: 5, remote: 5, console: 5, launcher: 6 }[program]
  const io = { order, say, status, partners, writeSync, readFileSync, Socket, connection }
  if (program === 'queue') {
    process.on('message', (what, socket) => {
      say('queue is given ' + JSON.stringify(what) + ' ' + (socket !== undefined))
      partners.push(socket)
      socket.on('error', () => undefined)
      if (settings.greet === false) return io.onPartner(what, socket)
      socket.on('data', (bytes) => say('queue hears ' + bytes))
      socket.write('hello ' + (what.program ?? what.token))
    })
    status({ status: 'ready' })
  } else {
    if (program === 'launcher') process.on('disconnect', () => process.exit(0))
    const socket = new Socket({ fd: connection, readable: true, writable: true })
    io.queue = socket
    socket.on('data', (bytes) => {
      say(program + ' hears ' + bytes)
      socket.write(program + ' is here')
      if (settings.silent !== true) status({ status: 'ready' })
    })
    socket.on('close', () => settings.stubborn === true || process.exit(0))
    socket.on('error', () => undefined)
  }
  if (settings.do !== undefined) {
    await new (Object.getPrototypeOf(async () => undefined).constructor)('io', settings.do)(io)
  }
}
`

const FAKE_AGENT = `
import { Socket } from 'node:net'
const socket = new Socket({ fd: 3, readable: true, writable: true })
socket.on('data', () => socket.write(JSON.stringify({
  told: JSON.parse(process.argv[2]), uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(),
})))
socket.on('close', () => process.exit(0))
socket.on('error', () => process.exit(0))
`
