/**
 * A user's message into LF form, piece by piece: every line ends in LF, no CR, no NUL.
 *
 * CRLF becomes LF and a last line without an end gets one. A lone CR and a NUL are refused, since whatever
 * a receiver made of them would be another message. Unless dots are kept, a line of a single dot ends the
 * message and what follows is not looked at. Holds back two bytes at most.
 *
 * RFC 5322 section 2.3 (CR and LF only together).
 */

import { isAscii } from 'node:buffer'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'

export type LineProblem = 'a carriage return without a line feed' | 'a NUL byte'

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const NOTHING = Buffer.alloc(0)

export class LfForm {
  readonly #keepDots: boolean
  /** Not yet decided: `.` at the start of a line, and a CR that may begin a CRLF. */
  #held: Buffer = NOTHING
  #atLineStart = true
  #anything = false
  /** A line of a single dot has been met. */
  ended = false
  /** Some byte was above 127. */
  eightBit = false

  constructor(keepDots: boolean) {
    this.#keepDots = keepDots
  }

  push(bytes: Buffer): Result<Buffer, LineProblem> {
    if (this.ended) return ok(NOTHING)
    const joined = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    const kept = this.#untilDot(joined)
    const cr = !this.ended && kept.at(-1) === CR
    const lines = withoutCr(cr ? kept.subarray(0, -1) : kept)
    if (lines === undefined) return refused('a carriage return without a line feed')
    const dot = this.#endsInOpenDot(lines)
    this.#held = Buffer.from(`${dot ? '.' : ''}${cr ? '\r' : ''}`)
    return this.#emit(dot ? lines.subarray(0, -1) : lines)
  }

  /** What was held back, and the end of the last line if it lacks one. */
  end(): Result<Buffer, LineProblem> {
    if (this.ended) return ok(NOTHING)
    if (this.#held.includes(CR)) return refused('a carriage return without a line feed')
    // A dot held back here is a last line of a single dot, and ends the message as any would.
    this.ended = true
    return ok(this.#anything && !this.#atLineStart ? Buffer.of(LF) : NOTHING)
  }

  /** What precedes the first line of a single dot; everything if there is none. */
  #untilDot(text: Buffer): Buffer {
    if (this.#keepDots) return text
    const places = ['\n.\n', '\n.\r\n'].map((line) => text.indexOf(line) + 1)
    const first = this.#atLineStart && (startsWith(text, '.\n') || startsWith(text, '.\r\n'))
    const at = first ? 0 : Math.min(...places.filter((place) => place > 0))
    if (at === Number.POSITIVE_INFINITY) return text
    this.ended = true
    return text.subarray(0, at)
  }

  #endsInOpenDot(text: Buffer): boolean {
    if (this.#keepDots || this.ended || text.at(-1) !== DOT) return false
    return text.length === 1 ? this.#atLineStart : text.at(-2) === LF
  }

  #emit(text: Buffer): Result<Buffer, LineProblem> {
    if (text.includes(0)) return refused('a NUL byte')
    if (text.length > 0) {
      this.#anything = true
      this.#atLineStart = text.at(-1) === LF
    }
    this.eightBit ||= !isAscii(text)
    return ok(text)
  }
}

function startsWith(text: Buffer, start: string): boolean {
  return text.toString('latin1', 0, start.length) === start
}

/** Every CRLF as LF; nothing if there is another CR. */
function withoutCr(bytes: Buffer): Buffer | undefined {
  let cr = bytes.indexOf(CR)
  if (cr === -1) return bytes
  const pieces: Buffer[] = []
  let from = 0
  for (; cr !== -1; cr = bytes.indexOf(CR, from)) {
    if (bytes[cr + 1] !== LF) return undefined
    pieces.push(bytes.subarray(from, cr))
    from = cr + 1
  }
  return Buffer.concat([...pieces, bytes.subarray(from)])
}
