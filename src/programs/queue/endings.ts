/**
 * Says of each message, once, that it has left the queue.
 *
 * Its last recipients may be settled in several commits at the same time, and each of them then
 * finds the message gone; so those told of lately are remembered.
 */

import type { QueueId } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'
import { BoundedMap } from './surroundings.ts'

const MOST_REMEMBERED = 10_000

export class Endings {
  readonly #surroundings: Surroundings
  readonly #told = new BoundedMap<QueueId, true>(MOST_REMEMBERED)

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** Recipients of these messages have just been removed. */
  async look(queueIds: Iterable<QueueId>): Promise<void> {
    const { store, log } = this.#surroundings
    for (const queueId of queueIds) {
      const message = await store.message(queueId)
      if (message !== undefined || this.#told.get(queueId) === true) continue
      this.#told.set(queueId, true)
      log.write({ event: 'ended', queueId })
    }
  }
}
