/**
 * Room for messages that arrive: on the disk, and in fairness to the other submitters.
 *
 * Each connection has a share of the arrivals and of the bytes staged for them, so that one partner
 * that has been taken over cannot keep the others out. An arrival may write up to STEP bytes, then
 * has to ask again; what all of them may still write counts as written.
 */

import type { Surroundings } from './surroundings.ts'

/** One object for each connection; which programs may submit what, accept.ts knows. */
export interface Submitter {
  readonly program: 'receiver' | 'pickup'
}

export type Shortage = 'disk' | 'share'

/** One arrival's part of the room. */
export interface Berth {
  readonly submitter: Submitter
  /** The size announced; absent: anything. */
  readonly announced: number | undefined
  taken: number
  allowed: number
}

const MOST_ARRIVALS_OF_ONE = 400
const MOST_STAGED_OF_ONE = 2_147_483_648
const STEP = 1_048_576
/** How old a look at the disk may be: in milliseconds, and in bytes that have come since. */
const LOOK_MEMORY = 1_000

export class Room {
  readonly #surroundings: Surroundings
  readonly #berths = new Set<Berth>()
  #seen: { readonly at: number; readonly bytes: number | undefined } | undefined
  #takenSince = 0
  #looking: Promise<void> | undefined

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** At once, by what is known; the disk is asked by `allow`, before anything is queued. */
  enter(submitter: Submitter, announced: number | undefined): Berth | Shortage {
    let others = 0
    for (const berth of this.#berths) if (berth.submitter === submitter) others += 1
    if (others >= MOST_ARRIVALS_OF_ONE) return 'share'
    const berth = { submitter, announced, taken: 0, allowed: 0 }
    if (this.#isFresh() && !this.#fits(berth)) return 'disk'
    this.#berths.add(berth)
    return berth
  }

  leave(berth: Berth): void {
    this.#berths.delete(berth)
  }

  /** Answers whether `allow` has to be asked. */
  take(berth: Berth, bytes: number): boolean {
    berth.taken += bytes
    this.#takenSince += bytes
    return berth.taken > berth.allowed
  }

  /** Lets it write some more, or says what is short. */
  async allow(berth: Berth): Promise<Shortage | undefined> {
    if (!this.#isFresh()) await this.#look()
    if (!this.#fits(berth)) return 'disk'
    if (this.#hasTooMuch(berth)) return 'share'
    berth.allowed = berth.taken + STEP
    return undefined
  }

  /** All that is announced has to fit, and what the others may write before they ask again. */
  #fits(berth: Berth): boolean {
    const free = this.#seen?.bytes
    if (free === undefined) return true
    const { announced = 0, taken } = berth
    let promised = announced > taken ? announced - taken : STEP
    for (const other of this.#berths) if (other !== berth) promised += promisedTo(other)
    return free - this.#takenSince - promised >= this.#surroundings.settings().limits.diskFree
  }

  /** A message that is alone may be as large as the settings say. */
  #hasTooMuch(berth: Berth): boolean {
    let staged = 0
    for (const other of this.#berths) {
      if (other !== berth && other.submitter === berth.submitter) staged += other.taken
    }
    return staged > 0 && staged + berth.taken > MOST_STAGED_OF_ONE
  }

  #isFresh(): boolean {
    if (this.#seen === undefined || this.#takenSince >= STEP) return false
    return this.#surroundings.clock.now() - this.#seen.at < LOOK_MEMORY
  }

  #look(): Promise<void> {
    const { clock, freeBytes } = this.#surroundings
    this.#looking ??= freeBytes()
      .then((bytes) => {
        this.#seen = { at: clock.now(), bytes }
        this.#takenSince = 0
      })
      .finally(() => (this.#looking = undefined))
    return this.#looking
  }
}

function promisedTo({ announced = 0, taken, allowed }: Berth): number {
  const end = announced > taken ? Math.min(announced, allowed) : allowed
  return Math.max(0, end - taken)
}
