/**
 * A small SMTP client for tests: says what it is told, keeps a ledger of what was accepted.
 *
 * Not the product's own client, on purpose: a test must not share the mistakes of what it tests.
 */

import type { Socket } from 'node:net'
import { connect } from 'node:net'

export interface TestReply {
  readonly code: number
  readonly lines: readonly string[]
}

export class SmtpClient {
  readonly #socket: Socket
  #buffer = ''
  #lines: string[] = []
  readonly #replies: TestReply[] = []
  #waiting: { resolve: (reply: TestReply) => void; reject: (error: Error) => void } | undefined
  #closed = false

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = connect(port, host)
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (bytes) => this.#read(bytes.toString('latin1')))
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      this.#closed = true
      this.#waiting?.reject(new Error('the server has closed the connection'))
      this.#waiting = undefined
    })
  }

  /** The next reply; the greeting is the first. */
  reply(): Promise<TestReply> {
    const ready = this.#replies.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    if (this.#closed) return Promise.reject(new Error('the server has closed the connection'))
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Writes, and waits until the system has taken it, so that a large message is not held here. */
  drained(bytes: string): Promise<void> {
    if (this.#socket.write(bytes)) return Promise.resolve()
    return new Promise((resolve) => this.#socket.once('drain', () => resolve()))
  }

  command(line: string): Promise<TestReply> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** Throws unless the reply has this code. */
  async expect(line: string, code: number): Promise<TestReply> {
    const reply = await this.command(line)
    if (reply.code !== code) throw new Error(`${line}: ${reply.lines.join(' / ')}`)
    return reply
  }

  async hello(): Promise<void> {
    const greeting = await this.reply()
    if (greeting.code !== 220) throw new Error(`greeting: ${greeting.lines.join(' / ')}`)
    await this.expect('EHLO client.test', 250)
  }

  /** One transaction, pipelined; answers the reply to the message. */
  async send(message: {
    readonly from: string
    readonly to: readonly string[]
    readonly content: string
  }): Promise<TestReply> {
    const envelope = [
      `MAIL FROM:<${message.from}>`,
      ...message.to.map((address) => `RCPT TO:<${address}>`),
      'DATA',
    ]
    this.write(`${envelope.join('\r\n')}\r\n`)
    for (const line of envelope) {
      const reply = await this.reply()
      if (reply.code >= 400) throw new Error(`${line}: ${reply.lines.join(' / ')}`)
    }
    const stuffed = message.content.replaceAll(/\r?\n/g, '\r\n').replaceAll(/^\./gm, '..')
    this.write(`${stuffed}${stuffed.endsWith('\r\n') ? '' : '\r\n'}.\r\n`)
    return this.reply()
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#buffer += text
    for (let end = this.#buffer.indexOf('\r\n'); end !== -1; end = this.#buffer.indexOf('\r\n')) {
      const line = this.#buffer.slice(0, end)
      this.#buffer = this.#buffer.slice(end + 2)
      this.#lines.push(line)
      if (line[3] === '-') continue
      this.#deliver({ code: Number(line.slice(0, 3)), lines: this.#lines })
      this.#lines = []
    }
  }

  #deliver(reply: TestReply): void {
    if (this.#waiting === undefined) {
      this.#replies.push(reply)
      return
    }
    this.#waiting.resolve(reply)
    this.#waiting = undefined
  }
}

/** Opens a session, says EHLO, runs `use`, closes. */
export async function withSession<T>(
  port: number,
  use: (client: SmtpClient) => Promise<T>,
  host = '127.0.0.1',
): Promise<T> {
  const client = new SmtpClient(port, host)
  try {
    await client.hello()
    return await use(client)
  } finally {
    client.close()
  }
}
