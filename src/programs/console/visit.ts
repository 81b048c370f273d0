/**
 * One command at a door: reads requests, hands each to the queue, relays what comes back.
 *
 * One request at a time; while it is being answered nothing more is read. The queue's answers do not
 * wait for their reader, so a visitor who does not read is let go once too much has piled up, and the
 * queue is told to stop.
 *
 *     waiting ── line ──▶ asking ── end ──▶ waiting
 */

import type { Socket } from 'node:net'
import type { ControlRequest } from '../../contracts/control.ts'
import { controlEnd, controlItem, controlRequest } from '../../contracts/control.ts'
import type { Stream } from '../../io/connection.ts'
import { formatJsonLine, LineReader, parseJsonLine } from '../../io/lines.ts'
import type { DoorOptions } from './doors.ts'

export class Visit {
  readonly #socket: Socket
  readonly #options: DoorOptions
  readonly #lines: LineReader
  /** Requests read in one piece with the one being answered. */
  #waiting: string[] = []
  #stream: Stream | undefined

  constructor(socket: Socket, options: DoorOptions) {
    this.#socket = socket
    this.#options = options
    this.#lines = new LineReader(options.limits.requestLine)
  }

  begin(): void {
    const socket = this.#socket
    socket.setTimeout(this.#options.limits.idle)
    socket.on('timeout', () => {
      if (this.#stream === undefined) socket.destroy()
    })
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#stream?.cancel())
  }

  #read(bytes: Buffer): void {
    const lines = this.#lines.read(bytes)
    if (lines === undefined) {
      this.#socket.pause()
      this.#socket.end(refusal('the request is too long'))
      return
    }
    this.#waiting.push(...lines)
    this.#answerNext()
  }

  #answerNext(): void {
    if (this.#stream !== undefined || this.#socket.destroyed) return
    const line = this.#waiting.shift()
    if (line === undefined) {
      this.#socket.resume()
      return
    }
    this.#socket.pause()
    const request = controlRequest(parseJsonLine(line))
    const refused = request.ok ? this.#refuse(request.value) : `malformed: ${request.problem}`
    if (refused === undefined && request.ok) return this.#ask(request.value)
    this.#send(refusal(refused ?? ''))
    this.#answerNext()
  }

  #refuse(request: ControlRequest): string | undefined {
    if (this.#options.kind === 'operators' || request.type === 'status') return undefined
    return "this door tells counts only; the queue itself is for members of the operators' group"
  }

  #ask(request: ControlRequest): void {
    const operator = this.#options.kind === 'operators'
    const finish = (last: string) => {
      this.#stream = undefined
      this.#send(last)
      this.#answerNext()
    }
    this.#stream = this.#options.connection.open(
      { operator, request },
      {
        onRecord: (value) => {
          const item = controlItem(value)
          if (item.ok) this.#send(formatJsonLine(item.value))
        },
        onEnd: (value) => {
          const end = controlEnd(value)
          finish(end.ok ? formatJsonLine(end.value) : refusal('the queue gave no clear answer'))
        },
        onCancel: (why) => finish(refusal(`the queue gave no answer: ${why}`)),
      },
    )
  }

  #send(line: string): void {
    if (this.#socket.destroyed) return
    this.#socket.write(line)
    if (this.#socket.writableLength <= this.#options.limits.unread) return
    const stream = this.#stream
    this.#stream = undefined
    stream?.cancel()
    this.#socket.destroy()
  }
}

function refusal(why: string): string {
  return formatJsonLine({ end: 'refused', why: why.slice(0, 500) })
}
