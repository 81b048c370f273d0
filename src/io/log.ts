/**
 * The log: one line per event, for a person at three in the morning or, as JSON, for a machine.
 *
 *     2026-11-22T18:30:00.123Z queue KQ4X9 delivered to=<joe@example.org> status=2.0.0 text="stored"
 *
 * Lines go to descriptor 1 (the supervisor relays them to where the administrator wants them). Nothing
 * a stranger sends can forge or break a line: every value is escaped and cut to a limit. A reader
 * that has stalled costs lines, never memory and never mail; how many were lost is said later.
 */

import { fstatSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

export type LogValue = string | number | boolean | undefined
export type LogFields = Readonly<Record<string, LogValue>>

export interface LogEvent {
  readonly event: string
  readonly queueId?: string | undefined
  readonly fields?: LogFields
}

export type LogFormat = 'text' | 'json'

export interface Log {
  write(event: LogEvent): void
}

const LONGEST_VALUE = 400
const LONGEST_LINE = 3_500
const MOST_PENDING = 1_048_576
/** A program that ends gives its reader so long to take the last lines. */
const LAST_TRIES = 20
const LAST_TRY_MILLISECONDS = 10

export function formatLogLine(
  event: LogEvent,
  context: { readonly at: Date; readonly program: string; readonly format: LogFormat },
): string {
  const at = context.at.toISOString()
  const fields = Object.entries(event.fields ?? {}).filter(([, value]) => value !== undefined)
  if (context.format === 'json') {
    const id = event.queueId === undefined ? {} : { id: event.queueId }
    const cut = fields.map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, LONGEST_VALUE) : value,
    ])
    const head = { at, program: context.program, event: event.event, ...id }
    return `${JSON.stringify({ ...head, ...Object.fromEntries(cut) })}\n`
  }
  const words = fields.map(([name, value]) => `${name}=${formatLogValue(value)}`)
  const line = [at, context.program, event.queueId ?? '-', event.event, ...words].join(' ')
  return `${line.slice(0, LONGEST_LINE)}\n`
}

function formatLogValue(value: LogValue): string {
  const plain = String(value).slice(0, LONGEST_VALUE)
  if (/^[!#-~]+$/.test(plain)) return plain
  return JSON.stringify(plain).replaceAll(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Writes lines to a descriptor, those of one turn of the event loop together. */
export function openLog(options: {
  readonly program: string
  /** Asked for every line: a reload may change it. */
  readonly format: () => LogFormat
  readonly descriptor?: number
  readonly now?: () => Date
}): Log {
  const now = options.now ?? (() => new Date())
  const descriptor = options.descriptor ?? 1
  neverBlock(descriptor)
  let pending = Buffer.alloc(0)
  let lines: string[] = []
  let lost = 0
  let scheduled = false

  const flush = () => {
    scheduled = false
    pending = Buffer.concat([pending, Buffer.from(lines.join(''))])
    lines = []
    pending = writeSome(descriptor, pending)
    if (pending.length > MOST_PENDING) {
      // Of its first line a part may be written.
      const kept = pending.subarray(0, pending.indexOf('\n') + 1)
      lost += pending.toString('latin1', kept.length).split('\n').length - 1
      pending = kept
    }
    if (pending.length > 0) schedule(50)
    else if (lost > 0) {
      const count = lost
      lost = 0
      log.write({ event: 'log-lines-lost', fields: { count } })
    }
  }
  const schedule = (delay: number) => {
    if (scheduled) return
    scheduled = true
    if (delay === 0) setImmediate(flush)
    else setTimeout(flush, delay).unref()
  }
  const log: Log = {
    write(event) {
      lines.push(
        formatLogLine(event, { at: now(), program: options.program, format: options.format() }),
      )
      schedule(0)
    },
  }
  process.on('exit', () => {
    flush()
    writeLast(descriptor, pending)
  })
  return log
}

function writeLast(descriptor: number, bytes: Buffer<ArrayBuffer>): void {
  let rest = bytes
  for (let tries = 0; rest.length > 0 && tries < LAST_TRIES; tries += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_TRY_MILLISECONDS)
    rest = writeSome(descriptor, rest)
  }
}

/**
 * Descriptors that were inherited block: a reader that has stalled would stop the whole program. Libuv makes
 * one that it is given not block; nothing is read or written by this socket.
 */
function neverBlock(descriptor: number): void {
  const stat = fstatSync(descriptor)
  if (!stat.isFIFO() && !stat.isSocket()) return
  new Socket({ fd: descriptor, readable: false, writable: true }).unref()
}

/** What could not be written now is returned: the reader's pipe is full. */
function writeSome(descriptor: number, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  let rest = bytes
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return rest
      // Nobody reads any more: the supervisor is gone, and this program is about to leave.
      return Buffer.alloc(0)
    }
  }
  return rest
}
