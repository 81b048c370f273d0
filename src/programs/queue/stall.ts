/**
 * Whether one local agent gets on with the attempts it has.
 *
 *     idle ──begin──▶ watched ──no progress for AGENT_STALLS_AFTER──▶ stalled
 *       ▲                │ ▲                                              │
 *       └── last over ───┘ └───────────────── progress ──────────────────┘
 *
 * An agent belongs to a user, who can stop it with a signal; so the only signs of life are content it
 * has taken and outcomes it owed. A stalled agent gets nothing new (agents.ts), and its places are
 * lent to others (dispatch.ts); what it has goes on until its own limits.
 */

import type { Alarm, Clock } from '../../io/clock.ts'
import { AGENT_STALLS_AFTER } from '../../policy/concurrency.ts'

export class StallWatch {
  readonly #clock: Clock
  readonly #onChange: () => void
  #attempts = 0
  #movedAt = 0
  #alarm: Alarm | undefined
  #stalled = false

  /** `onChange` is called when the agent stalls and when it goes on. */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  get stalled(): boolean {
    return this.#stalled
  }

  begin(): void {
    if (this.#attempts === 0) this.#movedAt = this.#clock.now()
    this.#attempts += 1
    this.#watch()
  }

  progress(): void {
    this.#movedAt = this.#clock.now()
    if (!this.#stalled) return
    this.#stalled = false
    this.#watch()
    this.#onChange()
  }

  over(): void {
    this.#attempts -= 1
  }

  stop(): void {
    this.#alarm?.cancel()
  }

  #watch(): void {
    if (this.#alarm !== undefined || this.#stalled) return
    const left = this.#movedAt + AGENT_STALLS_AFTER - this.#clock.now()
    this.#alarm = this.#clock.after(left, () => this.#look())
  }

  #look(): void {
    this.#alarm = undefined
    if (this.#attempts === 0) return
    if (this.#clock.now() - this.#movedAt < AGENT_STALLS_AFTER) return this.#watch()
    this.#stalled = true
    this.#onChange()
  }
}
