/**
 * The log's way out: whole lines from every program to the place the administrator wants them.
 *
 * Nothing is looked at and nothing is kept: while the place takes no more, the programs' pipes are not
 * read, and they count what they cannot say (io/log.ts). A place that breaks is opened again.
 */

import { spawn } from 'node:child_process'
import { closeSync, createWriteStream, existsSync, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { Writable } from 'node:stream'
import type { Settings } from '../contracts/settings.ts'
import { CannotStart, EXIT } from './cannot-start.ts'
import type { Identity } from './child.ts'
import { bareEnvironment, lineCutter } from './child.ts'
import type { LogFields } from './log.ts'
import { formatLogLine } from './log.ts'

export type LogSettings = Settings['log']

const LONGEST_LINE = 4_096
const REOPEN_AFTER = 1_000
const LAST_LINES_WITHIN = 2_000
const LOG_MODE = 0o640
const SYSLOG_SOCKETS = ['/dev/log', '/var/run/log'] as const

export class Relay {
  #settings: LogSettings
  readonly #loggerIdentity: Identity | undefined
  readonly #sources = new Set<Readable>()
  #standardError: Writable | undefined
  #place: Writable
  #held = false

  constructor(settings: LogSettings, loggerIdentity: Identity | undefined) {
    this.#settings = settings
    this.#loggerIdentity = loggerIdentity
    demandPlace(settings)
    this.#place = this.#open()
  }

  attach(source: Readable): void {
    const cut = lineCutter(LONGEST_LINE)
    this.#sources.add(source)
    source.on('data', (bytes: Buffer) => this.#write(Buffer.concat(cut(bytes))))
    source.on('error', () => undefined)
    source.on('close', () => this.#sources.delete(source))
    if (this.#held) source.pause()
  }

  /** The supervisor's own line. */
  say(event: string, fields: LogFields = {}): void {
    const context = { at: new Date(), program: 'supervisor', format: this.#settings.format }
    this.#write(Buffer.from(formatLogLine({ event, fields }, context)))
  }

  /** After HUP: a file that was moved away is left alone from here on. */
  reopen(settings: LogSettings): void {
    this.#settings = settings
    const before = this.#place
    this.#place = this.#open()
    if (before !== this.#standardError) before.end()
    this.#release()
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, LAST_LINES_WITHIN).unref()
      this.#place.write('', () => resolve())
    })
  }

  #write(bytes: Buffer): void {
    if (bytes.length === 0 || this.#place.write(bytes)) return
    this.#held = true
    for (const source of this.#sources) source.pause()
  }

  #release(): void {
    this.#held = false
    for (const source of this.#sources) source.resume()
  }

  #open(): Writable {
    const { to } = this.#settings
    if (to.kind === 'stderr' && this.#standardError !== undefined) return this.#standardError
    const place =
      to.kind === 'stderr'
        ? openStandardError()
        : to.kind === 'file'
          ? createWriteStream(to.path, { flags: 'a', mode: LOG_MODE })
          : startLogger(this.#loggerIdentity)
    if (to.kind === 'stderr') this.#standardError = place
    place.on('drain', () => this.#release())
    place.on('error', () => this.#broken(place))
    return place
  }

  #broken(place: Writable): void {
    if (place === this.#standardError) this.#standardError = nowhere()
    if (place !== this.#place) return
    setTimeout(() => {
      if (place === this.#place) this.reopen(this.#settings)
    }, REOPEN_AFTER).unref()
  }
}

/** A log that goes nowhere is noticed at the start, by somebody who looks. */
function demandPlace({ to }: LogSettings): void {
  if (to.kind === 'syslog' && !SYSLOG_SOCKETS.some((path) => existsSync(path))) {
    const text = `log.to is "syslog", but no syslog daemon listens at ${SYSLOG_SOCKETS.join(' or ')}`
    throw new CannotStart(text, EXIT.configuration)
  }
  if (to.kind !== 'file') return
  try {
    closeSync(openSync(to.path, 'a', LOG_MODE))
  } catch (error) {
    const text = `the log file cannot be written: ${(error as Error).message}`
    throw new CannotStart(text, EXIT.configuration)
  }
}

/** Never the blocking `process.stderr`: a reader that stalls must not stall the supervisor. */
function openStandardError(): Writable {
  const stat = fstatSync(2)
  return stat.isFIFO() || stat.isSocket()
    ? new Socket({ fd: 2, readable: false, writable: true })
    : createWriteStream('', { fd: 2, autoClose: false })
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}

/** It reads what every program may write, so it runs as an account that owns nothing. */
function startLogger(identity: Identity | undefined): Writable {
  const logger = spawn('logger', ['-t', 'postern', '-p', 'mail.info'], {
    ...identity,
    cwd: '/',
    env: bareEnvironment(),
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const broken = (why: string) => logger.stdin.destroy(new Error(why))
  logger.on('error', (error) => broken(error.message))
  logger.on('exit', () => broken('logger has ended'))
  return logger.stdin
}
