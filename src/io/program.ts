/**
 * How a program that the supervisor has started begins, is told things, and ends.
 *
 * Reads its orders from descriptor 3, says `ready` or `cannot` on descriptor 4, and leaves when the
 * orders end: that is how everyone notices that the supervisor is gone (contracts/supervision.ts).
 */

import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Settings } from '../contracts/settings.ts'
import type { Order, ProgramName, Status } from '../contracts/supervision.ts'
import { FD } from '../contracts/supervision.ts'
import type { ConnectionOptions } from './connection.ts'
import { Connection } from './connection.ts'
import type { Log, LogFormat } from './log.ts'
import { openLog } from './log.ts'

export type Beginning<S> = Omit<Extract<Order, { readonly order: 'begin' }>, 'settings'> & {
  readonly settings: S
}

export interface Handlers<S> {
  /** New settings, after a reload. */
  readonly onSettings?: (settings: S) => void
  /** Take nothing new, finish what runs, then call `leave`. */
  readonly onFinish?: (withinSeconds: number) => void
}

export interface Program<S> {
  readonly beginning: Beginning<S>
  readonly log: Log
  /** Mail can be accepted, delivered or asked about from now on. */
  ready(): void
  /** Gives up, with a reason for the administrator. */
  cannot(why: string): never
  handle(handlers: Handlers<S>): void
}

const EXIT_CANNOT = 78

/** Waits for the first order. Ignores SIGINT and SIGHUP: only the supervisor acts on them. */
export function beginProgram<S = Settings>(): Promise<Program<S>> {
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => undefined)
  const orders = new Socket({ fd: FD.orders, readable: true, writable: false })
  let handlers: Handlers<S> = {}
  let format: LogFormat = 'text'
  return new Promise((resolve) => {
    const obey = (order: Order) => {
      switch (order.order) {
        case 'begin': {
          const beginning = order as Beginning<S>
          format = formatOf(order.settings)
          const log = openLog({ program: nameOf(order), format: () => format })
          resolve(programOf(beginning, log, (given) => (handlers = given)))
          break
        }
        case 'settings':
          format = formatOf(order.settings)
          handlers.onSettings?.(order.settings as S)
          break
        case 'finish':
          if (handlers.onFinish === undefined) process.exit(0)
          handlers.onFinish(order.withinSeconds)
          break
      }
    }
    orders.setEncoding('utf8')
    orders.on(
      'data',
      lineReader((line) => obey(JSON.parse(line) as Order)),
    )
    orders.on('error', () => process.exit(0))
    orders.on('close', () => process.exit(0))
  })
}

function programOf<S>(
  beginning: Beginning<S>,
  log: Log,
  setHandlers: (handlers: Handlers<S>) => void,
): Program<S> {
  return {
    beginning,
    log,
    ready: () => say({ status: 'ready' }),
    cannot: (why) => {
      say({ status: 'cannot', why: why.slice(0, 500) })
      process.exit(EXIT_CANNOT)
    },
    handle: setHandlers,
  }
}

/** Several processes of one program are told apart in the log: `receiver`, `receiver.1`. */
function nameOf({ program, index }: { readonly program: string; readonly index: number }): string {
  return index === 0 ? program : `${program}.${index}`
}

/** Every part of the settings holds those of the log. */
function formatOf(settings: unknown): LogFormat {
  return (settings as { readonly log?: { readonly format?: LogFormat } }).log?.format ?? 'text'
}

function say(status: Status): void {
  try {
    writeSync(FD.statuses, `${JSON.stringify(status)}\n`)
  } catch {
    // The supervisor is gone; the end of the orders says so too.
  }
}

/** The connection to the queue, for every program but the queue itself. */
export function connectionToQueue(
  program: ProgramName,
  options: Omit<ConnectionOptions, 'speaksFirst'>,
): Connection {
  const fd = program === 'launcher' ? FD.launcherConnection : FD.connection
  return new Connection(new Socket({ fd, readable: true, writable: true }), {
    ...options,
    speaksFirst: false,
  })
}

/** Cuts what arrives into lines; for trusted senders, so without a limit. */
function lineReader(onLine: (line: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
}
