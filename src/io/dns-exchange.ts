/**
 * One question to one DNS server: by datagram, and again by TCP if the answer did not fit.
 *
 * A datagram that is not the answer (another number, another question, unreadable) is passed over
 * and waited on: it may be a forgery, and the true answer may yet come.
 *
 * RFC 1035 section 4.2 (transports), RFC 5452 section 9 (what must match), RFC 7766 (TCP).
 */

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { DecodedPacket } from 'dns-packet'
import { decode, encode, RECURSION_DESIRED } from 'dns-packet'
import type { MxRecord } from '../protocol/dns/mx.ts'

export interface NameServer {
  readonly host: string
  readonly port: number
}

export type RecordType = 'MX' | 'A' | 'AAAA'

export interface Question {
  /** Lower case, without the final dot, and fit to be asked. */
  readonly name: string
  readonly type: RecordType
}

interface Owned {
  /** Lower case, without the final dot. */
  readonly name: string
  readonly ttlSeconds: number
}
export type Answer =
  | (Owned & { readonly type: 'A' | 'AAAA' | 'CNAME'; readonly data: string })
  | (Owned & { readonly type: 'MX'; readonly data: MxRecord })

export type ReadReply =
  | {
      readonly kind: 'answered'
      readonly answers: readonly Answer[]
      /** NXDOMAIN. */
      readonly missingName: boolean
      /** How long it may be believed that there is nothing. */
      readonly negativeSeconds: number
    }
  | { readonly kind: 'temporary'; readonly because: string }

/** What fits any path without fragments (DNS flag day 2020). */
const DATAGRAM_SIZE = 1_232
const LONGEST_TTL = 604_800

export async function exchange(
  server: NameServer,
  question: Question,
  timeoutMs: number,
): Promise<ReadReply> {
  const first = await viaDatagram(server, question, timeoutMs)
  const packet = first.kind === 'truncated' ? await viaTcp(server, question, timeoutMs) : first
  return packet.kind === 'packet' ? readPacket(packet.packet) : packet
}

type Received =
  | { readonly kind: 'packet'; readonly packet: DecodedPacket }
  | { readonly kind: 'temporary'; readonly because: string }

function viaDatagram(
  server: NameServer,
  question: Question,
  timeoutMs: number,
): Promise<Received | { readonly kind: 'truncated' }> {
  return new Promise((resolve) => {
    const query = queryFor(question)
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
    const finish = (received: Received | { readonly kind: 'truncated' }) => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      socket.on('error', () => undefined)
      socket.close()
      resolve(received)
    }
    const timer = setTimeout(() => finish(temporary('no answer in time')), timeoutMs)
    socket.once('error', (error) => finish(temporary(error.message)))
    socket.on('message', (bytes) => {
      const packet = answerTo(query, question, bytes)
      if (isTruncated(query, bytes)) finish({ kind: 'truncated' })
      else if (packet !== undefined) finish({ kind: 'packet', packet })
    })
    // A connected socket hears its server only, and learns of a closed port at once.
    socket.connect(server.port, server.host, () => socket.send(query.bytes))
  })
}

function viaTcp(server: NameServer, question: Question, timeoutMs: number): Promise<Received> {
  return new Promise((resolve) => {
    const query = queryFor(question)
    const socket = connect({ host: server.host, port: server.port })
    const finish = (received: Received) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(received)
    }
    const timer = setTimeout(() => finish(temporary('no answer by TCP in time')), timeoutMs)
    socket.on('error', (error) => finish(temporary(error.message)))
    socket.on('close', () => finish(temporary('closed the connection')))
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.bytes.length)
    socket.write(Buffer.concat([length, query.bytes]))
    let received = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      // The length field bounds what is kept to 64 KB and one piece.
      received = Buffer.concat([received, bytes])
      const size = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0)
      if (received.length < size + 2) return
      const packet = answerTo(query, question, received.subarray(2, size + 2))
      finish(packet === undefined ? temporary('unreadable answer') : { kind: 'packet', packet })
    })
  })
}

interface Query {
  readonly id: number
  readonly bytes: Buffer
}

function queryFor(question: Question): Query {
  const id = randomInt(65_536)
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ ...question, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: DATAGRAM_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
  return { id, bytes }
}

/** What is cut off may be unreadable, so this looks at the header alone. A forgery costs one TCP query. */
function isTruncated(query: Query, bytes: Buffer): boolean {
  const TRUNCATED_RESPONSE = 0x8200
  return (
    bytes.length >= 12 &&
    bytes.readUInt16BE(0) === query.id &&
    (bytes.readUInt16BE(2) & TRUNCATED_RESPONSE) === TRUNCATED_RESPONSE
  )
}

/** The packet, if it answers this query and can be read. */
function answerTo(query: Query, question: Question, bytes: Buffer): DecodedPacket | undefined {
  const packet = read(bytes)
  const [asked, ...more] = packet?.questions ?? []
  const matches =
    packet?.type === 'response' &&
    packet.id === query.id &&
    more.length === 0 &&
    asked?.type === question.type &&
    nameOf(asked.name) === question.name
  return matches ? packet : undefined
}

function read(bytes: Buffer): DecodedPacket | undefined {
  try {
    return decode(bytes)
  } catch {
    return undefined
  }
}

function readPacket(packet: DecodedPacket): ReadReply {
  // The published types do not know the word, but the decoder sets it.
  const rcode = (packet as { readonly rcode?: string }).rcode ?? 'no code'
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return temporary(rcode)
  const answers = (packet.answers ?? []).flatMap((answer): readonly Answer[] => {
    if (answer.type === 'OPT') return []
    const owned = { name: nameOf(answer.name), ttlSeconds: ttlOf(answer) }
    if (answer.type === 'MX') {
      const { preference = 0, exchange: host } = answer.data
      return [{ ...owned, type: 'MX', data: { preference, exchange: host } }]
    }
    if (answer.type === 'A' || answer.type === 'AAAA' || answer.type === 'CNAME') {
      return [{ ...owned, type: answer.type, data: answer.data }]
    }
    return []
  })
  const negativeSeconds = negativeSecondsOf(packet)
  return { kind: 'answered', answers, missingName: rcode === 'NXDOMAIN', negativeSeconds }
}

/** RFC 2308 section 5: what the zone's SOA says; without one, it is not to be kept. */
function negativeSecondsOf(packet: DecodedPacket): number {
  for (const record of packet.authorities ?? []) {
    if (record.type === 'SOA') return Math.min(ttlOf(record), record.data.minimum ?? 0)
  }
  return 0
}

/** RFC 2181 section 8: a time to live with its highest bit set is zero. */
function ttlOf(record: { readonly ttl?: number | undefined }): number {
  const ttl = record.ttl ?? 0
  return ttl > 0x7fff_ffff ? 0 : Math.min(ttl, LONGEST_TTL)
}

function nameOf(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

function temporary(because: string): { readonly kind: 'temporary'; readonly because: string } {
  return { kind: 'temporary', because }
}
