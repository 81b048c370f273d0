/**
 * How bytes between two programs are cut into frames, and how many requests share one connection.
 *
 *     frame  = length stream kind payload      length: of the payload only, 32 bits, big-endian
 *     stream = 32 bits; 0 is the connection itself, others are requests
 *
 * One side of a connection, the opener, starts streams; the other answers them. On a stream both
 * sides may send records (JSON), data (bytes) and one end. Data is sent only against credit that
 * its reader has granted, so one reader that has stalled holds up nothing but its own stream.
 * A decoder never trusts its peer: a frame over the limit or of an unknown kind ends the connection.
 */

import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'

/** The largest payload. Records that could grow further are sent as several. */
export const LONGEST_PAYLOAD = 65_536

/** Bytes of data each side may send on a fresh stream before it is granted more. */
export const INITIAL_CREDIT = 65_536

export const FRAME_HEADER_SIZE = 9

/** The stream number that stands for the connection itself. */
export const CONNECTION_STREAM = 0

/**
 * hello   first frame each way, on stream 0: the release and the program that speaks
 * open    starts a stream; the payload is the request's head
 * record  a JSON value that belongs to the stream
 * data    bytes that belong to the stream
 * end     the sender's last word on the stream, a JSON value
 * cancel  the sender abandons the stream; nothing more is said on it by either side
 * credit  32 bits: the sender will take so many more bytes of data
 * notice  on stream 0: a JSON value that answers nothing
 */
export const FRAME_KINDS = [
  'hello',
  'open',
  'record',
  'data',
  'end',
  'cancel',
  'credit',
  'notice',
] as const
export type FrameKind = (typeof FRAME_KINDS)[number]

export interface Frame {
  readonly kind: FrameKind
  readonly stream: number
  readonly payload: Uint8Array
}

export type FrameProblem = 'payload too long' | 'unknown kind'

const KIND_NUMBER: Readonly<Record<FrameKind, number>> = {
  hello: 1,
  open: 2,
  record: 3,
  data: 4,
  end: 5,
  cancel: 6,
  credit: 7,
  notice: 8,
}

/** Writes the frame's nine header bytes to `into` at `offset`. */
export function encodeFrameHeader(
  into: Uint8Array,
  offset: number,
  frame: { readonly kind: FrameKind; readonly stream: number; readonly length: number },
): void {
  writeUint32(into, offset, frame.length)
  writeUint32(into, offset + 4, frame.stream)
  into[offset + 8] = KIND_NUMBER[frame.kind]
}

/**
 * Reads the frame that begins at `offset`, or answers how many bytes from `offset` on are needed.
 * The payload is a view of `bytes`, valid as long as they are.
 */
export function decodeFrame(
  bytes: Uint8Array,
  offset: number,
): Result<
  { readonly frame: Frame; readonly end: number } | { readonly need: number },
  FrameProblem
> {
  const available = bytes.length - offset
  if (available < FRAME_HEADER_SIZE) return ok({ need: FRAME_HEADER_SIZE })
  const length = readUint32(bytes, offset)
  if (length > LONGEST_PAYLOAD) return refused('payload too long')
  const kind = FRAME_KINDS[(bytes[offset + 8] ?? 0) - 1]
  if (kind === undefined) return refused('unknown kind')
  if (available < FRAME_HEADER_SIZE + length) return ok({ need: FRAME_HEADER_SIZE + length })
  const start = offset + FRAME_HEADER_SIZE
  const payload = bytes.subarray(start, start + length)
  return ok({
    frame: { kind, stream: readUint32(bytes, offset + 4), payload },
    end: start + length,
  })
}

export function encodeCredit(bytes: number): Uint8Array {
  const payload = new Uint8Array(4)
  writeUint32(payload, 0, bytes)
  return payload
}

export function decodeCredit(payload: Uint8Array): Result<number, 'not a credit'> {
  return payload.length === 4 ? ok(readUint32(payload, 0)) : refused('not a credit')
}

function readUint32(bytes: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [
    bytes[offset],
    bytes[offset + 1],
    bytes[offset + 2],
    bytes[offset + 3],
  ]
  return a * 0x1000000 + ((b << 16) | (c << 8) | d)
}

function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = (value >>> 24) & 0xff
  bytes[offset + 1] = (value >>> 16) & 0xff
  bytes[offset + 2] = (value >>> 8) & 0xff
  bytes[offset + 3] = value & 0xff
}
