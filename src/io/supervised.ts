/**
 * One running program, as the supervisor sees it: orders go in, statuses and log lines come out.
 *
 * Whatever the program writes is taken in bounded pieces. A status that is none, or a broken channel, is the
 * end of that program and of nothing else.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { getHeapStatistics } from 'node:v8'
import { PROGRAMS, permissionFlags } from '../contracts/programs.ts'
import type { Door, Handover, Order, ProgramName, Status } from '../contracts/supervision.ts'
import { FD, handover, LONGEST_STATUS_LINE, status } from '../contracts/supervision.ts'
import { EXIT } from './cannot-start.ts'
import type { Identity } from './child.ts'
import { bareEnvironment, handOver, lineCutter, parseJson } from './child.ts'
import type { Relay } from './log-relay.ts'

export interface Launch {
  readonly place: { readonly program: ProgramName; readonly index: number }
  readonly release: string
  /** The directory of the bundles. */
  readonly code: string
  readonly separated: boolean
  readonly identity: Identity | undefined
  readonly fds: readonly number[]
  readonly doors: readonly Door[]
  /** Of the row's places in the file system. */
  readonly paths: Readonly<Record<string, string>>
  readonly settings: unknown
  readonly log: Relay
}

export interface ChildListener {
  readonly onStatus: (status: Status) => void
  /** From the launcher: an agent's connection, for the queue. */
  readonly onAgent: (token: number, socket: Socket) => void
  readonly onGone: (how: string) => void
}

/** Sockets on their way to the queue; more are not waiting for a queue that works. */
const MOST_TRAVELLING = 500
const LAST_LINES_WITHIN = 1_000
const GRACE_SECONDS = 5
/** Bytes the heap may grow by before queue and launcher are taken to be filling it. */
const MOST_GROWTH = 67_108_864
const LOOK_EVERY = 100

export class Child {
  readonly place: Launch['place']
  readonly #process: ChildProcess
  readonly #log: Relay
  readonly #travelling = new Set<Socket>()
  readonly #listener: ChildListener
  readonly #bornAt = performance.now()
  ready = false
  #gone = false
  readonly #departure = Promise.withResolvers<void>()
  readonly gone = this.#departure.promise

  constructor(launch: Launch, listener: ChildListener) {
    this.place = launch.place
    this.#log = launch.log
    this.#listener = listener
    this.#process = start(launch)
    this.#process.on('error', (error) => this.#fail(error.message))
    this.#process.on('exit', (code, signal) => this.#leave(signal ?? `exit code ${code}`))
    if (this.#process.pid === undefined) return
    this.#read()
    const { place, release, separated, settings, doors } = launch
    this.order({ order: 'begin', ...place, release, separated, settings, doors })
  }

  get program(): ProgramName {
    return this.place.program
  }

  get ageSeconds(): number {
    return (performance.now() - this.#bornAt) / 1_000
  }

  /** This side's end of its connection to the queue. */
  get connection(): Socket | undefined {
    const { program } = this.place
    if (program === 'queue' || this.#process.pid === undefined) return undefined
    return this.#stdio(program === 'launcher' ? FD.launcherConnection : FD.connection) as Socket
  }

  order(order: Order): void {
    this.#stdio(FD.orders)?.write(`${JSON.stringify(order)}\n`)
  }

  /** Whoever has not left some seconds after its time is ended. */
  finish(withinSeconds: number): void {
    this.order({ order: 'finish', withinSeconds })
    setTimeout(() => this.kill(), (withinSeconds + GRACE_SECONDS) * 1_000).unref()
  }

  kill(): void {
    if (!this.#gone) this.#process.kill('SIGKILL')
  }

  /** Gives a connected socket away; answers false, and closes it, if that is not possible. */
  hand(what: Handover, socket: Socket): boolean {
    const possible = this.#process.connected && this.#travelling.size < MOST_TRAVELLING
    if (!possible) socket.destroy()
    if (!possible || !handOver(this.#process, what, socket)) return false
    this.#travelling.add(socket)
    socket.on('close', () => this.#travelling.delete(socket))
    return true
  }

  #stdio(fd: number): Duplex | undefined {
    // Where it could not be started for want of descriptors, Node makes no `stdio`.
    const stdio = this.#process.stdio as readonly unknown[] | undefined
    return stdio?.[fd] as Duplex | undefined
  }

  #read(): void {
    const { stdout, stderr } = this.#process
    for (const source of [stdout, stderr]) if (source !== null) this.#log.attach(source)
    this.#stdio(FD.orders)?.on('error', () => undefined)
    const cut = lineCutter(LONGEST_STATUS_LINE)
    const statuses = this.#stdio(FD.statuses)
    statuses?.on('error', () => undefined)
    statuses?.on('data', (bytes: Buffer) => cut(bytes).forEach((line) => this.#readStatus(line)))
    this.#process.on('message', (message, given: unknown) => this.#readHandover(message, given))
    this.#process.on('disconnect', () => this.kill())
  }

  #readStatus(line: Buffer): void {
    if (this.#gone || this.#process.killed) return
    const decoded = status(parseJson(line))
    if (decoded.ok) this.#listener.onStatus(decoded.value)
    else this.#fail(`a status that is none: ${decoded.problem}`)
  }

  #readHandover(message: unknown, given: unknown): void {
    const decoded = handover(message)
    const agent = decoded.ok && decoded.value.handover === 'agent' ? decoded.value : undefined
    if (this.place.program === 'launcher' && agent !== undefined && given instanceof Socket) {
      this.#listener.onAgent(agent.token, given)
    } else discard(given)
  }

  #fail(why: string): void {
    const { program, index } = this.place
    this.#log.say('program-failed', { program, index, why })
    if (this.#process.pid === undefined) this.#leave(why)
    else this.kill()
  }

  #leave(how: string): void {
    if (this.#gone) return
    this.#gone = true
    for (const socket of this.#travelling) socket.destroy()
    const pipes = (this.#process.stdio ?? []) as readonly (Duplex | null | undefined)[]
    // Time for the last lines; a grandchild may hold the other end for ever.
    setTimeout(() => pipes.forEach((pipe) => pipe?.destroy()), LAST_LINES_WITHIN).unref()
    this.#listener.onGone(how)
    this.#departure.resolve()
  }
}

function start({ place, code, identity, fds, paths }: Launch): ChildProcess {
  const { program } = place
  const row = PROGRAMS[program]
  const directories = (names: readonly string[]) =>
    names.flatMap((name) => [paths[name] ?? '', `${paths[name]}/*`])
  const flags = permissionFlags(row, {
    code,
    readable: directories(row.reads),
    writable: directories(row.writes),
  })
  const channel: readonly ('pipe' | 'ipc')[] =
    program === 'queue' ? ['ipc'] : program === 'launcher' ? ['ipc', 'pipe'] : ['pipe']
  return spawn(process.execPath, [...flags, join(code, `${program}.mjs`)], {
    ...identity,
    argv0: `postern: ${program}`,
    cwd: '/',
    env: bareEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...channel, ...fds],
  })
}

/** What a program sends though nobody asked. */
function discard(given: unknown): void {
  if (given instanceof Socket) given.destroy()
  else if (typeof given === 'object' && given !== null && 'close' in given) {
    if (typeof given.close === 'function') given.close()
  }
}

/**
 * Node reads the channels of queue and launcher without limits and throws what is malformed at
 * everybody; both are taken for the fault of those two programs. Anything else thrown is our own.
 */
export function guardChannels(blame: (why: string) => void): void {
  Error.stackTraceLimit = 50
  process.on('uncaughtException', (error) => {
    if (/node:internal\/child_process/.test(error.stack ?? '')) return blame(error.message)
    process.stderr.write(`${error.stack}\n`)
    process.exit(EXIT.fault)
  })
  let floor = Number.POSITIVE_INFINITY
  setInterval(() => {
    const used = getHeapStatistics().used_heap_size
    floor = Math.min(floor, used)
    if (used - floor < MOST_GROWTH) return
    floor = used
    blame('the heap has grown')
  }, LOOK_EVERY).unref()
}
