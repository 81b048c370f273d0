/**
 * The client's end of one SMTP connection: commands and content go out, whole replies come in.
 *
 * Every wait has a limit, and whatever goes wrong is one word, `lost`, with a reason for people; after
 * it the socket is closed. A server that says more than it was asked is cut off, and so is
 * one whose words are no replies.
 */

import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'
import type { ReplyReader, ServerReply } from '../protocol/smtp/server-reply.ts'
import { NEW_REPLY_READER, readReplies } from '../protocol/smtp/server-reply.ts'

/** Replies that wait to be heard; more than one transaction can ask for. */
const MOST_UNHEARD = 500
const GOODBYE_MS = 2_000

export type Heard =
  | { readonly kind: 'reply'; readonly reply: ServerReply }
  | { readonly kind: 'lost'; readonly why: string }

/** Where to connect, and how long at most. */
export interface DialOptions {
  readonly address: string
  readonly port: number
  readonly timeoutMs: number
  /** Gives the attempt up. */
  readonly signal: AbortSignal
}

/** Answers why not, in words for people, where no connection can be made. */
export function dial(options: DialOptions): Promise<Result<SmtpSocket, string>> {
  return new Promise((resolve) => {
    const { address, port, timeoutMs, signal } = options
    const socket = connect({ host: address, port, noDelay: true })
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      socket.removeAllListeners()
    }
    const fail = (why: string) => {
      settle()
      socket.on('error', () => undefined)
      socket.destroy()
      resolve(refused(why))
    }
    const giveUp = () => fail('given up')
    const timer = setTimeout(() => fail('no answer in time'), timeoutMs)
    signal.addEventListener('abort', giveUp)
    socket.once('error', (error: NodeJS.ErrnoException) => fail(wordsFor(error)))
    socket.once('connect', () => {
      settle()
      resolve(ok(new SmtpSocket(socket)))
    })
  })
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network cannot be reached',
  EADDRNOTAVAIL: 'no address of this host can reach it',
  ETIMEDOUT: 'no answer in time',
  EPIPE: 'the connection was closed',
}

function wordsFor(error: NodeJS.ErrnoException): string {
  return WORDS[error.code ?? ''] ?? error.message
}

export class SmtpSocket {
  readonly #socket: Socket
  #reader: ReplyReader = NEW_REPLY_READER
  readonly #unheard: ServerReply[] = []
  #lost: string | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('drain', () => this.#wakeWriter?.())
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(wordsFor(error)))
    socket.on('end', () => this.#lose('the connection was closed'))
    socket.on('close', () => this.#lose('the connection was closed'))
  }

  /** Open, and the server has said nothing unasked: fit for another transaction. */
  get quiet(): boolean {
    return this.#lost === undefined && this.#unheard.length === 0 && this.#reader.size === 0
  }

  /** Sends command lines; they travel in one segment where they fit. */
  say(lines: readonly string[]): void {
    if (this.#lost === undefined) this.#socket.write(lines.map((line) => `${line}\r\n`).join(''))
  }

  /** Answers true once more is welcome, false if the connection is lost. One write at a time. */
  async write(bytes: Uint8Array | string, timeoutMs: number): Promise<boolean> {
    if (this.#lost === undefined && !this.#socket.write(bytes)) {
      await this.#wait(timeoutMs, 'the server takes no more data', (wake) => {
        this.#wakeWriter = wake
      })
    }
    return this.#lost === undefined
  }

  /** The next reply. What the server said before the connection was lost is heard first. */
  async hear(timeoutMs: number): Promise<Heard> {
    if (this.#unheard.length === 0 && this.#lost === undefined) {
      await this.#wait(timeoutMs, 'no reply in time', (wake) => {
        this.#wakeReader = wake
      })
    }
    const reply = this.#unheard.shift()
    if (reply !== undefined) return { kind: 'reply', reply }
    return { kind: 'lost', why: this.#lost ?? 'no reply' }
  }

  /** Says goodbye; the answer is not waited for (RFC 5321 section 4.1.1.10 would have it so). */
  quit(): void {
    if (this.#lost !== undefined) return
    this.#socket.end('QUIT\r\n')
    const timer = setTimeout(() => this.#socket.destroy(), GOODBYE_MS)
    timer.unref()
    this.#socket.once('close', () => clearTimeout(timer))
  }

  /** Cuts the connection, whatever is under way. */
  destroy(): void {
    this.#lose('closed by this side')
  }

  async #wait(
    timeoutMs: number,
    tooLate: string,
    register: (wake: () => void) => void,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => this.#lose(tooLate), timeoutMs)
    register(resolve)
    await promise
    clearTimeout(timer)
  }

  #read(bytes: Buffer): void {
    if (this.#lost !== undefined) return
    const { reader, replies, problem } = readReplies(this.#reader, bytes)
    this.#reader = reader
    this.#unheard.push(...replies)
    if (problem !== undefined) this.#lose(`the server's words are no SMTP: ${problem}`)
    else if (this.#unheard.length > MOST_UNHEARD) this.#lose('replies that nobody asked for')
    else if (replies.length > 0) this.#wake()
  }

  #lose(why: string): void {
    if (this.#lost !== undefined) return
    this.#lost = why
    this.#socket.destroy()
    this.#wake()
  }

  /** Something was said, or nothing will be any more. Either may stop a writer that waits for room. */
  #wake(): void {
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }
}
