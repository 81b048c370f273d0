/**
 * What every part of the queue program is given: the store, the time, the settings in force.
 *
 * `onStoreFailure` is the one answer to a store that has failed: nothing it said last may be
 * believed, so the process ends and the supervisor starts it anew on what is on disk.
 */

import type { QueueSettings } from '../../contracts/settings.ts'
import type { Hello } from '../../contracts/supervision.ts'
import type { Clock } from '../../io/clock.ts'
import type { Log } from '../../io/log.ts'
import type { QueueStore } from './store/store.ts'

export interface Surroundings {
  readonly store: QueueStore
  readonly clock: Clock
  readonly log: Log
  readonly self: Hello
  /** The settings in force; a reload changes what it answers. */
  readonly settings: () => QueueSettings
  readonly onStoreFailure: (error: unknown) => void
  /** Bytes free for the queue; absent if that cannot be told. */
  readonly freeBytes: () => Promise<number | undefined>
  /** An unguessable word of letters and digits. */
  readonly token: () => string
}

/** A map that forgets what was set longest ago, so that no stranger can make it grow. */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#most) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  delete(key: Key): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
