/**
 * One message's content on its way in: decoded, counted and judged as it streams past.
 *
 * Nothing is kept. The first problem decides; from then on content is read and dropped, up to a limit.
 * One problem outranks all others, whenever it shows up: line ends that cannot be trusted.
 */

import { LIMITS } from '../../policy/limits.ts'
import { HopCounter } from '../../protocol/message/hop-count.ts'
import { ContentDecoder } from '../../protocol/smtp/data.ts'
import type { ContentProblem } from './refusals.ts'

export interface ContentLimits {
  readonly messageSize: number
  readonly hops: number
}

export interface Piece {
  /** In LF form; a view of the bytes read. */
  readonly bytes: Buffer
  readonly next: number
}

export class IncomingContent {
  readonly #decoder: ContentDecoder
  readonly #counter = new HopCounter()
  readonly #limits: ContentLimits
  #size = 0
  #dropped = 0
  #problem: ContentProblem | undefined

  constructor(form: 'DATA' | 'BDAT', limits: ContentLimits) {
    this.#decoder = new ContentDecoder(form, LIMITS.textLine.value)
    this.#limits = limits
  }

  get ended(): boolean {
    return this.#decoder.ended
  }

  get problem(): ContentProblem | undefined {
    return this.#decoder.problem ?? this.#problem
  }

  /** True once so much has been dropped that the client is not listened to any more. */
  get hopeless(): boolean {
    return this.#dropped > LIMITS.refusedContent.value
  }

  /** Reads bytes up to the end of the content, or all of them. */
  read(bytes: Buffer, from: number): Piece {
    const { content, next } = this.#decoder.decode(bytes, from)
    this.#judge(content)
    if (this.problem === undefined) return { bytes: content, next }
    this.#dropped += next - from
    return { bytes: content.subarray(0, 0), next }
  }

  /** The end of content sent with BDAT; answers what completes its last line. */
  finish(): '' | '\n' {
    const rest = this.#decoder.finish()
    if (rest !== '' && this.problem === undefined) this.#judge(Buffer.from(rest))
    return rest
  }

  #judge(content: Buffer): void {
    if (this.#problem !== undefined) return
    this.#size += content.length
    this.#counter.read(content)
    if (this.#size > this.#limits.messageSize) this.#problem = 'too large'
    else if (this.#counter.hops >= this.#limits.hops) this.#problem = 'looping'
    else if (this.#counter.headerBytes > LIMITS.header.value) this.#problem = 'header too long'
  }
}
