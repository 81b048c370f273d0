/**
 * Queue ids: ten characters of Crockford's base 32 that grow with time and never repeat.
 *
 *     number = milliseconds since 1970 × 256 + a counter
 *
 * A source that is asked faster than 256 times a millisecond runs ahead of its clock. Every number
 * below the mark may have been given out, so the mark is on disk before the first number under it
 * is: a clock that steps back, or a crash, cannot repeat one. A queue that is deleted and made anew
 * has lost its mark and relies on the clock, which the mark never outruns by more than MARGIN.
 */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 10
const NUMBERS_PER_MILLISECOND = 256
/** How far ahead the mark is written: ten seconds' worth, so that it is written seldom. */
const MARGIN = 10_000 * NUMBERS_PER_MILLISECOND

const PAIRS = Array.from({ length: 1_024 }, (_, n) => digit(n >> 5) + digit(n & 31))

function digit(value: number): string {
  return ALPHABET.charAt(value)
}

export function formatQueueId(number: number): string {
  let text = ''
  let rest = number
  while (rest > 0 || text.length < LENGTH) {
    text = (PAIRS[rest % 1_024] ?? '') + text
    rest = Math.floor(rest / 1_024)
  }
  return text
}

/** Lower case is understood, for those who type. */
export function parseQueueId(text: string): number | undefined {
  if (text.length < LENGTH || text.length > LENGTH + 2) return undefined
  let number = 0
  for (const character of text.toUpperCase()) {
    const value = ALPHABET.indexOf(character)
    if (value === -1) return undefined
    number = number * 32 + value
  }
  return Number.isSafeInteger(number) ? number : undefined
}

export interface QueueIdMark {
  /** Every number given out is below it. */
  readonly mark: number
  /** Writes the mark to disk, now. */
  raise(mark: number): void
}

export class QueueIdSource {
  #clock: () => number
  #mark: QueueIdMark
  #last: number

  constructor(clock: () => number, mark: QueueIdMark) {
    this.#clock = clock
    this.#mark = mark
    this.#last = mark.mark
  }

  /** The latest number given out, or the mark of the process before. */
  get last(): number {
    return this.#last
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, this.#clock() * NUMBERS_PER_MILLISECOND)
    if (this.#last >= this.#mark.mark) this.#mark.raise(this.#last + MARGIN)
    return this.#last
  }

  /** Where the mark should be, asked when a commit is made anyway. */
  wantedMark(): number {
    return this.#mark.mark - this.#last < MARGIN / 2 ? this.#last + MARGIN : this.#mark.mark
  }
}
