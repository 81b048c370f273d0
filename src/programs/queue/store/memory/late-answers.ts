/**
 * When, and whether, the memory engine answers.
 */

import { StoreFailure, StoreFull } from '../store.ts'

export interface Lateness {
  readonly seed?: number
  readonly lateTurns?: number
  readonly full?: number
  readonly stopAfter?: number
}

export class LateAnswers {
  #lateTurns: number
  #full: number
  #requestsLeft: number
  #chance: () => number
  #failure: StoreFailure | undefined

  constructor({ seed = 1, lateTurns = 0, full = 0, stopAfter }: Lateness) {
    this.#chance = chanceOf(seed)
    this.#lateTurns = lateTurns
    this.#full = full
    this.#requestsLeft = stopAfter ?? Number.POSITIVE_INFINITY
  }

  /** As `answer`, for what changes something. */
  async answerIfRoom<Value>(act: () => Value): Promise<Value> {
    if (this.#failure === undefined && this.#chance() < this.#full) {
      await this.#wait()
      throw new StoreFull('no room, says the memory engine')
    }
    return this.answer(act)
  }

  /** The effect now, the answer later: never in the turn of the call. */
  async answer<Value>(act: () => Value): Promise<Value> {
    if (this.#failure !== undefined) throw this.#failure
    let value: Value
    try {
      value = act()
    } finally {
      this.#requestsLeft--
      if (this.#requestsLeft <= 0) this.#failure = new StoreFailure('the memory engine has stopped')
    }
    await this.#wait()
    if (this.#failure !== undefined) throw this.#failure
    return value
  }

  async close(): Promise<void> {
    await this.#wait()
    this.#failure ??= new StoreFailure('the queue has been closed')
  }

  async #wait(): Promise<void> {
    const turns = 1 + Math.floor(this.#chance() * (this.#lateTurns + 1))
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Mulberry32: small, and the same everywhere. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
