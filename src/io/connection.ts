/**
 * One connection between two programs, carrying many requests at once.
 *
 * Keeps three promises for everything above it: nothing a peer sends can make a buffer grow beyond
 * its credit; a stalled reader holds up its own stream only; and whatever is malformed ends the
 * connection, which its user sees as one word, `lost`.
 *
 * The frames are contracts/frame.ts. Only the opener starts streams, and the answerer's end closes
 * them: whatever the opener had still to say is dropped, so that no stream outlives its answer. Data
 * waits here, per stream, until the reader has granted credit and the socket has room; records and
 * credit pass it by.
 */

import type { Socket } from 'node:net'
import type { Frame, FrameKind } from '../contracts/frame.ts'
import {
  CONNECTION_STREAM,
  decodeCredit,
  decodeFrame,
  encodeCredit,
  encodeFrameHeader,
  FRAME_HEADER_SIZE,
  INITIAL_CREDIT,
  LONGEST_PAYLOAD,
} from '../contracts/frame.ts'
import type { Hello } from '../contracts/supervision.ts'
import { hello } from '../contracts/supervision.ts'

/** Bytes of data handed to the socket ahead of control frames; keeps those from waiting long. */
const SOCKET_AHEAD = 131_072
const DATA_PIECE = 32_768
const MOST_STREAMS = 20_000

export interface StreamListener {
  readonly onRecord?: (value: unknown) => void
  /** The reader owns `bytes`; it must call `stream.grant(bytes.length)` once it has room again. */
  readonly onData?: (bytes: Buffer) => void
  readonly onEnd?: (value: unknown) => void
  /** The peer has cancelled, or the connection is lost. Called at most once, and last. */
  readonly onCancel?: (why: string) => void
}

export interface ConnectionOptions {
  readonly self: Hello
  /** True for the end that has travelled. The other side may not open streams before `onHello`. */
  readonly speaksFirst: boolean
  /** Called for each stream the peer opens; absent where this side is the opener. */
  readonly onOpen?: (stream: Stream, head: unknown) => StreamListener
  readonly onNotice?: (value: unknown) => void
  /** The peer has named itself. */
  readonly onHello?: (peer: Hello) => void
  /** Called once. Every stream has been told before. */
  readonly onLost: (why: string) => void
}

type Phase = 'greeting' | 'open' | 'lost'

export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #streams = new Map<number, Stream>()
  /** Streams with data that may be sent as soon as the socket has room, in turn. */
  readonly #ready = new Set<Stream>()
  #phase: Phase = 'greeting'
  #pending: Buffer = Buffer.alloc(0)
  #nextStream = 1
  #highestOpened = 0
  #corked = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('drain', () => this.#pump())
    socket.on('error', (error) => this.#lose(error.message))
    socket.on('end', () => this.#lose('the other side has closed the connection'))
    socket.on('close', () => this.#lose('closed'))
    if (options.speaksFirst) this.sendFrame('hello', CONNECTION_STREAM, json(options.self))
  }

  get lost(): boolean {
    return this.#phase === 'lost'
  }

  get streamCount(): number {
    return this.#streams.size
  }

  /** Starts a request. On a lost connection the listener hears `onCancel` at once, in a microtask. */
  open(head: unknown, listener: StreamListener): Stream {
    const stream = new Stream(this, this.#nextStream, 'opener')
    this.#nextStream += 1
    stream.listen(listener)
    if (this.#phase === 'lost') {
      queueMicrotask(() => stream.receiveCancel('the connection is lost'))
      return stream
    }
    this.#streams.set(stream.number, stream)
    this.sendFrame('open', stream.number, json(head))
    return stream
  }

  notice(value: unknown): void {
    this.sendFrame('notice', CONNECTION_STREAM, json(value))
  }

  close(): void {
    this.#lose('closed by this side')
  }

  /** For Stream only. */
  sendFrame(kind: FrameKind, stream: number, payload: Uint8Array): void {
    if (this.#phase === 'lost') return
    if (payload.length > LONGEST_PAYLOAD) throw new Error(`a ${kind} of ${payload.length} bytes`)
    this.#cork()
    const apart = payload.length >= DATA_PIECE / 2
    const frame = Buffer.allocUnsafe(FRAME_HEADER_SIZE + (apart ? 0 : payload.length))
    encodeFrameHeader(frame, 0, { kind, stream, length: payload.length })
    if (!apart) frame.set(payload, FRAME_HEADER_SIZE)
    this.#socket.write(frame)
    // A large payload is not copied; both go in one system call.
    if (apart) this.#socket.write(payload)
  }

  /** For Stream only: it has data and credit, or has ended. */
  dataReady(stream: Stream): void {
    this.#ready.add(stream)
    this.#pump()
  }

  /** For Stream only. */
  forget(stream: Stream): void {
    this.#streams.delete(stream.number)
    this.#ready.delete(stream)
  }

  /** Frames sent in one turn of the event loop travel in one write. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  #pump(): void {
    while (this.#ready.size > 0 && this.#socket.writableLength < SOCKET_AHEAD) {
      for (const stream of this.#ready) {
        this.#ready.delete(stream)
        if (stream.sendPiece(DATA_PIECE)) this.#ready.add(stream)
        if (this.#socket.writableLength >= SOCKET_AHEAD) break
      }
    }
  }

  #read(bytes: Buffer): void {
    let buffer = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    let offset = 0
    while (this.#phase !== 'lost') {
      const decoded = decodeFrame(buffer, offset)
      if (!decoded.ok) return this.#lose(`malformed frame: ${decoded.problem}`)
      if ('need' in decoded.value) break
      offset = decoded.value.end
      this.#receive(decoded.value.frame)
    }
    buffer = buffer.subarray(offset)
    this.#pending = buffer.length === 0 ? buffer : Buffer.from(buffer)
  }

  #receive(frame: Frame): void {
    if (this.#phase === 'greeting') return this.#greet(frame)
    if (frame.kind === 'data') return this.#receiveData(frame)
    if (frame.kind === 'credit') {
      const credit = decodeCredit(frame.payload)
      if (!credit.ok) return this.#lose(credit.problem)
      this.#streams.get(frame.stream)?.receiveCredit(credit.value)
      return
    }
    if (frame.kind === 'cancel') {
      this.#streams.get(frame.stream)?.receiveCancel('the other side has cancelled')
      return
    }
    const value = parse(frame.payload)
    if (value === undefined) return this.#lose('malformed record')
    this.#receiveValue(frame, value)
  }

  #receiveValue(frame: Frame, value: unknown): void {
    switch (frame.kind) {
      case 'open':
        return this.#accept(frame.stream, value)
      case 'record':
        return this.#streams.get(frame.stream)?.receiveRecord(value)
      case 'end':
        return this.#streams.get(frame.stream)?.receiveEnd(value)
      case 'notice':
        return this.#options.onNotice?.(value)
      case 'hello':
      case 'data':
      case 'credit':
      case 'cancel':
        return this.#lose(`unexpected ${frame.kind}`)
    }
  }

  #receiveData(frame: Frame): void {
    const stream = this.#streams.get(frame.stream)
    // Data for a stream that has just been cancelled here is on its way still.
    if (stream === undefined) return
    if (!stream.receiveData(ownBytes(frame.payload))) this.#lose('data beyond its credit')
  }

  #greet(frame: Frame): void {
    const peer = frame.kind === 'hello' ? hello(parse(frame.payload)) : undefined
    if (peer === undefined || !peer.ok) return this.#lose('no hello')
    if (peer.value.release !== this.#options.self.release) {
      return this.#lose(`the other side is of release ${peer.value.release}`)
    }
    if (!this.#options.speaksFirst) {
      this.sendFrame('hello', CONNECTION_STREAM, json(this.#options.self))
    }
    this.#phase = 'open'
    this.#options.onHello?.(peer.value)
  }

  #accept(number: number, head: unknown): void {
    const { onOpen } = this.#options
    if (onOpen === undefined || number <= this.#highestOpened) return this.#lose('unexpected open')
    if (this.#streams.size >= MOST_STREAMS) return this.#lose('too many streams')
    this.#highestOpened = number
    const stream = new Stream(this, number, 'answerer')
    this.#streams.set(number, stream)
    stream.listen(onOpen(stream, head))
  }

  #lose(why: string): void {
    if (this.#phase === 'lost') return
    this.#phase = 'lost'
    this.#socket.destroy()
    for (const stream of this.#streams.values()) stream.receiveCancel(why)
    this.#streams.clear()
    this.#ready.clear()
    this.#options.onLost(why)
  }
}

/** One request on a connection, as either side sees it. */
export class Stream {
  readonly number: number
  readonly #connection: Connection
  readonly #side: 'opener' | 'answerer'
  #listener: StreamListener = {}
  /** Data accepted from the user and not yet sent; bounded by the user awaiting `write`. */
  readonly #outgoing: Uint8Array[] = []
  #outgoingOffset = 0
  #sendCredit = INITIAL_CREDIT
  #receiveCredit = INITIAL_CREDIT
  #finalValue: Uint8Array | undefined
  #sentEnd = false
  #gotEnd = false
  #over = false
  #wakeWriter: ((alive: boolean) => void) | undefined

  constructor(connection: Connection, number: number, side: 'opener' | 'answerer') {
    this.#connection = connection
    this.#side = side
    this.number = number
  }

  /** True once nothing can be said on this stream any more. */
  get over(): boolean {
    return this.#over
  }

  listen(listener: StreamListener): void {
    this.#listener = listener
  }

  record(value: unknown): void {
    if (!this.#over && !this.#sentEnd)
      this.#connection.sendFrame('record', this.number, json(value))
  }

  /**
   * Hands over data. Answers true once it has been passed on so far that more is welcome, false
   * if the stream is over. One write at a time: await each before the next.
   */
  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#over || this.#sentEnd || this.#finalValue !== undefined) return Promise.resolve(false)
    if (bytes.length === 0) return Promise.resolve(true)
    this.#outgoing.push(bytes)
    if (this.#sendCredit > 0) this.#connection.dataReady(this)
    if (this.#outgoing.length === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      this.#wakeWriter = resolve
    })
  }

  /** This side's last word. It follows all data written before. The answerer's closes the stream. */
  end(value: unknown): void {
    if (this.#over || this.#sentEnd || this.#finalValue !== undefined) return
    this.#finalValue = json(value)
    if (this.#outgoing.length === 0) this.#sendEnd()
    else this.#connection.dataReady(this)
  }

  /** Gives the stream up; the peer is told, and the listener here hears no more. */
  cancel(): void {
    if (this.#over) return
    this.#connection.sendFrame('cancel', this.number, new Uint8Array(0))
    this.#finish()
  }

  /** Lets the peer send so many more bytes of data. */
  grant(bytes: number): void {
    if (this.#over || this.#gotEnd || bytes <= 0) return
    this.#receiveCredit += bytes
    this.#connection.sendFrame('credit', this.number, encodeCredit(bytes))
  }

  /** For Connection only: sends a piece; answers whether there is more that may be sent now. */
  sendPiece(longest: number): boolean {
    const head = this.#outgoing[0]
    if (head === undefined) {
      if (this.#finalValue !== undefined) this.#sendEnd()
      return false
    }
    const size = Math.min(longest, this.#sendCredit, head.length - this.#outgoingOffset)
    if (size === 0) return false
    this.#sendCredit -= size
    const from = this.#outgoingOffset
    this.#connection.sendFrame('data', this.number, head.subarray(from, from + size))
    this.#outgoingOffset += size
    if (this.#outgoingOffset === head.length) this.#pieceSent()
    if (this.#outgoing.length > 0) return this.#sendCredit > 0
    if (this.#finalValue !== undefined) this.#sendEnd()
    return false
  }

  receiveRecord(value: unknown): void {
    if (!this.#gotEnd) this.#listener.onRecord?.(value)
  }

  /** Answers false if the peer has sent more than it was allowed to. */
  receiveData(bytes: Buffer): boolean {
    if (this.#gotEnd || bytes.length > this.#receiveCredit) return false
    this.#receiveCredit -= bytes.length
    this.#listener.onData?.(bytes)
    return true
  }

  receiveEnd(value: unknown): void {
    if (this.#gotEnd) return
    this.#gotEnd = true
    this.#listener.onEnd?.(value)
    if (this.#sentEnd || this.#side === 'opener') this.#finish()
  }

  receiveCredit(bytes: number): void {
    this.#sendCredit += bytes
    if (this.#outgoing.length > 0) this.#connection.dataReady(this)
  }

  receiveCancel(why: string): void {
    if (this.#over) return
    this.#finish()
    this.#listener.onCancel?.(why)
  }

  #pieceSent(): void {
    this.#outgoing.shift()
    this.#outgoingOffset = 0
    const wake = this.#wakeWriter
    this.#wakeWriter = undefined
    wake?.(true)
  }

  #sendEnd(): void {
    if (this.#finalValue === undefined || this.#sentEnd) return
    this.#sentEnd = true
    this.#connection.sendFrame('end', this.number, this.#finalValue)
    if (this.#gotEnd || this.#side === 'answerer') this.#finish()
  }

  #finish(): void {
    this.#over = true
    this.#outgoing.length = 0
    this.#connection.forget(this)
    const wake = this.#wakeWriter
    this.#wakeWriter = undefined
    wake?.(false)
  }
}

/**
 * A piece its reader may keep. What arrived is never written to again, so a large piece is the very
 * bytes; a small one is copied, lest it keep the whole of what it arrived with in memory.
 */
function ownBytes(payload: Uint8Array): Buffer {
  if (payload.length < DATA_PIECE / 2) return Buffer.from(payload)
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length)
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(
      Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString(),
    ) as unknown
  } catch {
    return undefined
  }
}
