/**
 * Message content as a client sends it, into LF form: dots unstuffed, CRLF turned into LF.
 *
 * DATA ends at CRLF.CRLF and at nothing else. A CR or LF that stands alone, or a NUL, is never
 * interpreted: the content has a problem from then on, and is read to its one true end only so that
 * the session can say so. That is what makes SMTP smuggling impossible here.
 *
 *     line start ──"."──▶ dot ──CR──▶ dot CR ──LF──▶ ended
 *      ▲      │            │            │
 *      │    other        other        other (a problem)
 *      │      ▼            ▼            │
 *      │    in line ◀──────┴────────────┘
 *      │      │ CR
 *      └──LF── after CR
 *
 * The bytes are decoded where they lie: the result never is longer than what was read. Content sent
 * with BDAT has no dots and no end of its own (RFC 3030 section 2).
 *
 * RFC 5321 section 4.1.1.4 (end of data), section 4.5.2 (transparency), section 2.3.8 (line ends).
 */

export type LineEndProblem = 'bare CR' | 'bare LF' | 'NUL' | 'line too long'

export interface Decoded {
  /** Content in LF form, a view of the bytes that were passed; empty once there is a problem. */
  readonly content: Buffer
  /** Where in the bytes the content has ended, or their length. */
  readonly next: number
}

const LF = 10
const CR = 13
const DOT = 46
const NOTHING = -1

const LINE_START = 0
const IN_LINE = 1
const AFTER_CR = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4
const ENDED = 5

export class ContentDecoder {
  readonly #dots: boolean
  readonly #longestLine: number
  #state = LINE_START
  #column = 0
  #problem: LineEndProblem | undefined

  /** `longestLine` in bytes, without CRLF. */
  constructor(form: 'DATA' | 'BDAT', longestLine: number) {
    this.#dots = form === 'DATA'
    this.#longestLine = longestLine
  }

  /** True once CRLF.CRLF has been read. */
  get ended(): boolean {
    return this.#state === ENDED
  }

  /** The first thing that was wrong. */
  get problem(): LineEndProblem | undefined {
    return this.#problem
  }

  /** Reads from `from` on, up to the end of the content or of the bytes. */
  decode(bytes: Buffer, from = 0): Decoded {
    let at = from
    let written = from
    while (at < bytes.length && this.#state !== ENDED) {
      if (this.#state === IN_LINE) {
        const start = at
        while (at < bytes.length && (bytes[at] as number) > CR) {
          bytes[written] = bytes[at] as number
          written += 1
          at += 1
        }
        this.#advance(at - start)
        if (at === bytes.length) break
      }
      const byte = this.#step(bytes[at] as number)
      at += 1
      if (byte !== NOTHING) {
        bytes[written] = byte
        written += 1
      }
    }
    const end = this.#problem === undefined ? written : from
    return { content: bytes.subarray(from, end), next: at }
  }

  /**
   * The end of content sent with BDAT, which nothing marks. Answers what completes its last line: a
   * LF, or nothing.
   */
  finish(): '' | '\n' {
    if (this.#state === AFTER_CR) this.#blame('bare CR')
    return this.#state === LINE_START || this.#problem !== undefined ? '' : '\n'
  }

  /** One transition of the drawing above; answers the byte to keep. */
  #step(byte: number): number {
    switch (this.#state) {
      case LINE_START:
        if (byte === DOT && this.#dots) return this.#enter(AFTER_DOT)
        return this.#text(byte)
      case AFTER_CR:
        if (byte === LF) return this.#endLine()
        this.#blame('bare CR')
        return this.#text(byte)
      case AFTER_DOT:
        return byte === CR ? this.#enter(AFTER_DOT_CR) : this.#text(byte)
      case AFTER_DOT_CR:
        if (byte === LF) return this.#enter(ENDED)
        this.#blame('bare CR')
        return this.#text(byte)
      default:
        return this.#text(byte)
    }
  }

  #text(byte: number): number {
    if (byte === CR) return this.#enter(AFTER_CR)
    if (byte === LF) this.#blame('bare LF')
    if (byte === 0) this.#blame('NUL')
    this.#state = IN_LINE
    this.#advance(1)
    return byte
  }

  #endLine(): number {
    this.#state = LINE_START
    this.#column = 0
    return LF
  }

  #enter(state: number): number {
    this.#state = state
    return NOTHING
  }

  #advance(bytes: number): void {
    this.#column += bytes
    if (this.#column > this.#longestLine) this.#blame('line too long')
  }

  #blame(problem: LineEndProblem): void {
    this.#problem ??= problem
  }
}
