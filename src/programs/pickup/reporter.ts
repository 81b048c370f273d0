/**
 * Says what was found in the drop directory that is no message: each thing once, and never so much
 * that somebody could fill the log with it.
 */

import type { Clock } from '../../io/clock.ts'
import type { Log } from '../../io/log.ts'

const MOST_REMEMBERED = 10_000
const MOST_REPORTS = 100
const PERIOD = 60_000

export interface Finding {
  readonly uid: number
  readonly why: string
  readonly removed: boolean
}

export class Reporter {
  readonly #log: Log
  readonly #clock: Clock
  /** What is left lying, by name. */
  readonly #reported = new Map<string, string>()
  #periodEnds = 0
  #reports = 0
  #silent = 0

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  report(name: string, finding: Finding): void {
    if (finding.removed) this.#reported.delete(name)
    else if (this.#reported.get(name) === finding.why) return
    else this.#remember(name, finding.why)
    if (this.#clock.now() >= this.#periodEnds) this.#beginPeriod()
    this.#reports += 1
    if (this.#reports > MOST_REPORTS) {
      this.#silent += 1
      return
    }
    const { uid, why, removed } = finding
    this.#log.write({ event: 'not-a-message', fields: { name, uid, why, removed } })
  }

  #remember(name: string, why: string): void {
    if (this.#reported.size >= MOST_REMEMBERED) this.#reported.clear()
    this.#reported.set(name, why)
  }

  #beginPeriod(): void {
    if (this.#silent > 0) {
      this.#log.write({ event: 'not-messages', fields: { more: this.#silent } })
    }
    this.#periodEnds = this.#clock.now() + PERIOD
    this.#reports = 0
    this.#silent = 0
  }
}
