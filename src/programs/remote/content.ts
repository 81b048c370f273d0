/**
 * The content of one message on its way through: never more of it in memory than the first window.
 *
 * A message that fits the credit a stream begins with is kept whole, so that it can be sent again when
 * a host goes away. A larger one waits, with its first window here, until a host wants it; then each
 * piece is let go, and paid for with new credit, as soon as the host's connection has taken it.
 */

import { INITIAL_CREDIT } from '../../contracts/frame.ts'

export type Piece =
  | { readonly kind: 'piece'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  /** The queue has taken the message back. */
  | { readonly kind: 'gone' }

export class Content {
  readonly #grant: (bytes: number) => void
  readonly #announced: number
  #pieces: Buffer[] = []
  #next = 0
  #received = 0
  #letGo = false
  #state: 'coming' | 'whole' | 'gone' = 'coming'
  #wake: (() => void) | undefined
  #onGone: (() => void) | undefined

  constructor(announced: number, grant: (bytes: number) => void) {
    this.#announced = announced
    this.#grant = grant
  }

  get gone(): boolean {
    return this.#state === 'gone'
  }

  /** What to do when the queue takes the message back; done at once if it has already. */
  whenGone(listener: () => void): void {
    if (this.gone) listener()
    else this.#onGone = listener
  }

  receive(bytes: Buffer): void {
    this.#received += bytes.length
    this.#pieces.push(bytes)
    this.#wake?.()
  }

  receiveEnd(): void {
    if (this.#state === 'coming') this.#state = 'whole'
    this.#wake?.()
  }

  receiveCancel(): void {
    this.#state = 'gone'
    this.#pieces = []
    this.#wake?.()
    this.#onGone?.()
  }

  /** The next piece, as soon as there is one. Asking for it means that the one before has been sent. */
  async next(): Promise<Piece> {
    this.#letGoOfSent()
    if (this.#state === 'coming' && this.#next >= this.#pieces.length) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
      this.#wake = undefined
    }
    if (this.#state === 'gone') return { kind: 'gone' }
    const bytes = this.#pieces[this.#next]
    if (bytes === undefined) return { kind: 'end' }
    this.#next += 1
    return { kind: 'piece', bytes }
  }

  /** Begins again from the first byte; false if that has been let go. */
  rewind(): boolean {
    if (this.#letGo || this.#state === 'gone') return false
    this.#next = 0
    return true
  }

  #letGoOfSent(): void {
    const large = this.#announced > INITIAL_CREDIT || this.#received > this.#announced
    if (this.#next === 0 || !large) return
    this.#letGo = true
    const sent = this.#pieces.splice(0, this.#next)
    this.#next = 0
    this.#grant(sent.reduce((sum, bytes) => sum + bytes.length, 0))
  }
}
