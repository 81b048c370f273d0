/**
 * A whole Postern for tests: real processes from `dist/`, in a directory of its own.
 *
 * As an ordinary user, or with `separated: false`, everything runs as the current user. Separated, as root,
 * it runs from a release made by `postern setup`, each program under its own account.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

const root = join(import.meta.dirname, '../..')

export interface Postern {
  readonly directory: string
  readonly config: string
  readonly run: string
  readonly smtpPort: number
  /** What it has logged so far. */
  readonly log: () => string
  /** Does not read, or reads again, what it logs. */
  readonly stallLog: (stalled: boolean) => void
  /** Pids of the running programs by name; agents are `local`. */
  readonly pids: (program: string) => readonly number[]
  readonly signal: (signal: NodeJS.Signals) => void
  /** TERM, and wait until it is gone. Answers the exit code. */
  readonly stop: () => Promise<number | null>
  /** Resolves with the exit code once the supervisor is gone. */
  readonly ended: Promise<number | null>
}

export interface PosternOptions {
  readonly directory: string
  /** Lines of configuration beyond the ones every test needs. */
  readonly settings?: string
  /** The directory of the bundles; the release's own Node.js lies beside it. */
  readonly separated?: { readonly release: string }
}

/** A directory for one test, removed by the caller with `removeDirectory`. */
export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'postern-test-'))
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}

/** Mail for anything@postern.test goes to `mail/<local part>/`, all other mail to `outbound/`. */
export function everydaySettings(directory: string): string {
  const user = userInfo().username
  return `hostname = "postern.test"
[listen]
smtp = ["127.0.0.1:0"]
[paths]
queue = "${directory}/queue"
drop = "${directory}/drop"
run = "${directory}/run"
[domains."postern.test"]
maildir = "${directory}/mail/{local}/"
user = "${user}"
create = true
`
}

export function catchOutbound(directory: string): string {
  return `[routes]
"*" = "maildir:${directory}/outbound/?user=${userInfo().username}"
`
}

export async function startPostern(options: PosternOptions): Promise<Postern> {
  const { directory } = options
  for (const name of ['queue', 'drop', 'run', 'mail', 'outbound']) {
    mkdirSync(join(directory, name), { recursive: true })
  }
  const config = join(directory, 'postern.toml')
  writeFileSync(config, options.settings ?? everydaySettings(directory) + catchOutbound(directory))
  const run = join(directory, 'run')
  rmSync(join(run, 'ready'), { force: true })
  const release = options.separated?.release ?? join(root, 'dist')
  const single = options.separated === undefined && process.getuid?.() === 0 ? ['--single'] : []
  const node = options.separated === undefined ? process.execPath : join(release, '../node')
  const child = spawn(node, [join(release, 'supervisor.mjs'), '--config', config, ...single], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => (log += bytes.toString()))
  }
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  await until(() => existsSync(join(run, 'ready')) || child.exitCode !== null, 30)
  if (!existsSync(join(run, 'ready'))) {
    child.kill('SIGKILL')
    throw new Error(`Postern did not start:\n${log}`)
  }
  return {
    directory,
    config,
    run,
    smtpPort: smtpPortOf(run),
    log: () => log,
    stallLog: (stalled) => {
      for (const stream of [child.stdout, child.stderr]) {
        if (stalled) stream.pause()
        else stream.resume()
      }
    },
    pids: (program) => pidsOf(child, program),
    signal: (signal) => child.kill(signal),
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
    ended,
  }
}

function smtpPortOf(run: string): number {
  const doors = JSON.parse(readFileSync(join(run, 'listening.json'), 'utf8')) as readonly {
    readonly kind: string
    readonly port: number
  }[]
  return doors.find((door) => door.kind === 'smtp')?.port ?? 0
}

/** Programs are known by the name they were started under: `postern: receiver`. */
function pidsOf(supervisor: ChildProcess, program: string): readonly number[] {
  if (program === 'supervisor') return supervisor.pid === undefined ? [] : [supervisor.pid]
  const family = new Set([supervisor.pid])
  const found: number[] = []
  // Two rounds: children of the supervisor, then agents, the children of the launcher.
  for (let round = 0; round < 2; round += 1) {
    for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const pid = Number(entry)
      if (!family.has(parentOf(pid))) continue
      family.add(pid)
      const name = commandOf(pid)
      if (name.startsWith(`postern: ${program}`) && !found.includes(pid)) found.push(pid)
    }
  }
  return found
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? ''
  } catch {
    return ''
  }
}

/** Waits for a fact about other processes. It fails loudly after `seconds`; it never just goes on. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  seconds: number,
): Promise<void> {
  const end = Date.now() + seconds * 1_000
  while (!(await fact())) {
    if (Date.now() > end) throw new Error(`still not so after ${seconds} s: ${fact.toString()}`)
    await after(20)
  }
}

/** Every message in the Maildirs below `directory`, by path. */
export function mailFiles(directory: string): readonly string[] {
  return globSync('**/new/*', { cwd: directory }).map((name) => join(directory, name))
}

export function mailTexts(directory: string): readonly string[] {
  return mailFiles(directory).map((file) => readFileSync(file, 'latin1'))
}
