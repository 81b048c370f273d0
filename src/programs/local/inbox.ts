/**
 * The content of one delivery as it comes in: handed out in pieces of a sensible size.
 *
 * Holds at most what the queue has credit for. The reader grants more once a piece has been dealt with,
 * so a slow disk slows the queue and fills nobody's memory.
 */

import { INITIAL_CREDIT } from '../../contracts/frame.ts'

/** A piece of the content, its last piece, or the word that no more will come. */
export type Incoming =
  | { readonly kind: 'piece'; readonly bytes: Buffer }
  | { readonly kind: 'last'; readonly bytes: Buffer }
  | { readonly kind: 'cancelled' }

/** A message that fits the credit is handed out whole, a larger one while the rest is on its way. */
const PIECE_OF_LARGE = INITIAL_CREDIT / 2

export class Inbox {
  readonly #pieceSize: number
  #held: Buffer[] = []
  #size = 0
  #state: 'open' | 'complete' | 'cancelled' = 'open'
  #wake: (() => void) | undefined

  constructor(announcedSize: number) {
    this.#pieceSize = announcedSize > INITIAL_CREDIT ? PIECE_OF_LARGE : INITIAL_CREDIT
  }

  push(bytes: Buffer): void {
    this.#held.push(bytes)
    this.#size += bytes.length
    if (this.#size >= this.#pieceSize) this.#wake?.()
  }

  complete(): void {
    if (this.#state === 'open') this.#state = 'complete'
    this.#wake?.()
  }

  cancel(): void {
    this.#state = 'cancelled'
    this.#held = []
    this.#wake?.()
  }

  /** One caller at a time. */
  async next(): Promise<Incoming> {
    while (this.#state === 'open' && this.#size < this.#pieceSize) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    if (this.#state === 'cancelled') return { kind: 'cancelled' }
    const [only, ...more] = this.#held
    const bytes = only !== undefined && more.length === 0 ? only : Buffer.concat(this.#held)
    this.#held = []
    this.#size = 0
    return { kind: this.#state === 'complete' ? 'last' : 'piece', bytes }
  }
}
