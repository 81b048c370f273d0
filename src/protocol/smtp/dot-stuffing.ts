/**
 * A message from LF form into what travels after DATA, piece by piece.
 *
 * Lines end at LF and nowhere else, so there is one reading of every message: LF becomes CRLF and a dot
 * that begins a line is doubled. CR and NUL must not occur; they are refused, never repaired, since
 * a repair here and another reading at the far end is how one message becomes two.
 *
 * RFC 5321 section 4.5.2 (transparency), section 4.1.1.4 (end of data), section 2.3.8 (lines).
 */

import type { Result } from '../result.ts'
import { ok, refused } from '../result.ts'

export type StuffingProblem = 'a CR' | 'a NUL'

/** Where in a line the next byte of content will be. */
export type LinePosition = 'start' | 'inside'

const NUL = 0
const LF = 10
const CR = 13
const DOT = 46

export interface StuffedPiece {
  readonly bytes: Uint8Array
  readonly position: LinePosition
}

export function stuffDots(
  position: LinePosition,
  piece: Uint8Array,
): Result<StuffedPiece, StuffingProblem> {
  const extra = countExtra(position, piece)
  if (typeof extra === 'string') return refused(extra)
  if (piece.length === 0) return ok({ bytes: piece, position })
  const bytes = new Uint8Array(piece.length + extra)
  let written = 0
  let atStart = position === 'start'
  for (const byte of piece) {
    if (byte === LF) bytes[written++] = CR
    else if (byte === DOT && atStart) bytes[written++] = DOT
    bytes[written++] = byte
    atStart = byte === LF
  }
  return ok({ bytes, position: atStart ? 'start' : 'inside' })
}

/** Bytes that the encoding adds, so that exactly the right space is taken. */
function countExtra(position: LinePosition, piece: Uint8Array): number | StuffingProblem {
  let extra = 0
  let atStart = position === 'start'
  for (const byte of piece) {
    if (byte === CR) return 'a CR'
    if (byte === NUL) return 'a NUL'
    if (byte === LF || (byte === DOT && atStart)) extra += 1
    atStart = byte === LF
  }
  return extra
}

/** What follows the last piece: a line end if it lacks one, and the line with the dot. */
export function endOfData(position: LinePosition): string {
  return position === 'start' ? '.\r\n' : '\r\n.\r\n'
}
