/**
 * What the queue has said about recipients, remembered for a short time.
 *
 * Bounded: the answer that has not been used for the longest time goes first. Refusals are kept for less
 * time than acceptances, so that a new mailbox is seen soon, and uncertainty is not kept at all.
 */

import type { RecipientAnswer } from '../../contracts/submission.ts'
import { LIMITS } from '../../policy/limits.ts'

interface Remembered {
  readonly answer: RecipientAnswer
  readonly until: number
}

export class KnownRecipients {
  readonly #ask: (address: string) => Promise<RecipientAnswer>
  readonly #now: () => number
  readonly #most: number
  /** In the order of their last use. */
  readonly #answers = new Map<string, Remembered>()

  constructor(options: {
    readonly ask: (address: string) => Promise<RecipientAnswer>
    readonly now: () => number
    readonly most?: number
  }) {
    this.#ask = options.ask
    this.#now = options.now
    this.#most = options.most ?? LIMITS.rememberedRecipients.value
  }

  recipient(address: string): RecipientAnswer | Promise<RecipientAnswer> {
    const remembered = this.#answers.get(address)
    if (remembered === undefined || remembered.until <= this.#now()) return this.#askAnew(address)
    this.#answers.delete(address)
    this.#answers.set(address, remembered)
    return remembered.answer
  }

  async #askAnew(address: string): Promise<RecipientAnswer> {
    const answer = await this.#ask(address)
    if (answer.kind !== 'unsure') this.#remember(address, answer)
    return answer
  }

  #remember(address: string, answer: RecipientAnswer): void {
    const limit = answer.kind === 'known' ? LIMITS.knownRecipient : LIMITS.unknownRecipient
    this.#answers.delete(address)
    this.#answers.set(address, { answer, until: this.#now() + limit.value * 1_000 })
    if (this.#answers.size <= this.#most) return
    const [oldest] = this.#answers.keys()
    if (oldest !== undefined) this.#answers.delete(oldest)
  }
}
