/**
 * The sockets Postern is reached by: bound here, listened on by the programs that get them.
 *
 * Those of SMTP are kept over a reload where the address stays. The console's two lie in `paths.run`, which
 * one supervisor at a time owns: its pid stands in `supervisor.pid`.
 */

import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { BlockList, BoundSocket, isIPv6 } from 'node:net'
import { join } from 'node:path'
import type { Endpoint } from '../contracts/settings.ts'
import type { Door, ProgramName } from '../contracts/supervision.ts'
import { DOOR_FILES, FD } from '../contracts/supervision.ts'
import { CannotStart, EXIT } from './cannot-start.ts'

interface OpenDoor {
  readonly kind: Door['kind']
  readonly name: string
  readonly socket: BoundSocket
}

export interface DoorRule {
  /** Root with `--single`: strangers must not reach programs that run as root. */
  readonly loopbackOnly: boolean
  /** The group that may use the operators' door; absent: our own user alone. */
  readonly operatorsGid: number | undefined
}

const PID_FILE = 'supervisor.pid'
const READY_FILE = 'ready'
const LISTENING_FILE = 'listening.json'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

export class Doors {
  readonly #run: string
  readonly #rule: DoorRule
  #smtp = new Map<string, OpenDoor>()
  readonly #console: readonly OpenDoor[]

  /** Throws CannotStart if another supervisor is at work here. */
  constructor(run: string, rule: DoorRule) {
    this.#run = run
    this.#rule = rule
    mkdirSync(run, { recursive: true, mode: 0o755 })
    takePlace(join(run, PID_FILE))
    rmSync(join(run, READY_FILE), { force: true })
    this.#console = [
      this.#openFile('operators', rule.operatorsGid === undefined ? 0o600 : 0o660),
      this.#openFile('everyone', 0o666),
    ]
  }

  /** Opens what is new; what is no longer named is closed by the function it answers. */
  openSmtp(endpoints: readonly Endpoint[]): () => void {
    const before = this.#smtp
    const after = new Map<string, OpenDoor>()
    try {
      for (const endpoint of endpoints) {
        const key = `${endpoint.host} ${endpoint.port}`
        after.set(key, before.get(key) ?? after.get(key) ?? this.#openAddress(endpoint))
      }
    } catch (error) {
      for (const [key, door] of after) if (!before.has(key)) door.socket.close()
      throw error
    }
    this.#smtp = after
    this.#tell()
    return () => {
      for (const [key, door] of before) if (!after.has(key)) door.socket.close()
    }
  }

  /** What a program is given: descriptors for spawn, and their meaning in the program. */
  of(program: ProgramName): { readonly fds: readonly number[]; readonly doors: readonly Door[] } {
    const own =
      program === 'receiver' ? [...this.#smtp.values()] : program === 'console' ? this.#console : []
    return {
      fds: own.map((door) => door.socket.fd()),
      doors: own.map(({ kind, name }, at) => ({ fd: FD.sockets + at, kind, name })),
    }
  }

  sayReady(): void {
    writeFileSync(join(this.#run, READY_FILE), '')
  }

  close(): void {
    for (const door of [...this.#smtp.values(), ...this.#console]) door.socket.close()
    const files = [READY_FILE, LISTENING_FILE, ...Object.values(DOOR_FILES), PID_FILE]
    for (const name of files) rmSync(join(this.#run, name), { force: true })
  }

  #openAddress({ host, port, name }: Endpoint): OpenDoor {
    if (this.#rule.loopbackOnly && !loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')) {
      throw new CannotStart(
        `${name}: with --single, root listens on loopback addresses only; run "postern setup" and leave it out`,
        EXIT.configuration,
      )
    }
    try {
      const socket = new BoundSocket({ host, port, ipv6Only: isIPv6(host) })
      return { kind: 'smtp', name, socket }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const denied = code === 'EACCES'
      const advice = denied ? 'ports below 1024 are root’s' : 'is another mail server running?'
      const exitCode = denied ? EXIT.denied : EXIT.unavailable
      throw new CannotStart(`cannot listen on ${name}: ${message} (${advice})`, exitCode)
    }
  }

  #openFile(kind: keyof typeof DOOR_FILES, mode: number): OpenDoor {
    const path = join(this.#run, DOOR_FILES[kind])
    rmSync(path, { force: true })
    // Node's types do not know `path` yet.
    const socket = new BoundSocket({ path } as object)
    // Nobody can connect before the console listens.
    const gid = kind === 'operators' ? this.#rule.operatorsGid : undefined
    if (gid !== undefined) chownSync(path, 0, gid)
    chmodSync(path, mode)
    return { kind, name: path, socket }
  }

  #tell(): void {
    const rows = [...this.#smtp.values(), ...this.#console].map(({ kind, name, socket }) => {
      const bound: unknown = socket.address()
      return typeof bound === 'string'
        ? { kind, name, address: bound, port: 0 }
        : { kind, name, ...socket.address() }
    })
    writeFileSync(join(this.#run, LISTENING_FILE), `${JSON.stringify(rows)}\n`)
  }
}

/** Writes our pid, unless the process whose pid is there is a supervisor and alive. */
function takePlace(file: string): void {
  const other = readNumber(file)
  if (other !== undefined && other !== process.pid && isSupervisor(other)) {
    throw new CannotStart(
      `${file}: Postern is running already, as process ${other}`,
      EXIT.unavailable,
    )
  }
  rmSync(file, { force: true })
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
  } catch (error) {
    throw new CannotStart(`${file}: ${(error as Error).message}`, EXIT.unavailable)
  }
}

function readNumber(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8').slice(0, 20)) || undefined
  } catch {
    return undefined
  }
}

function isSupervisor(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  try {
    // Pids are used again; where there is no /proc, one in use counts.
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('supervisor')
  } catch {
    return true
  }
}
