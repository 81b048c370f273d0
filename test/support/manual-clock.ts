/**
 * A clock that stands until it is told to go on.
 */

import type { Alarm, Clock } from '../../src/io/clock.ts'

export interface ManualClock extends Clock {
  /** Moves the time and rings every alarm on the way, in order. */
  advance(milliseconds: number): void
  /** When the next alarm rings. */
  readonly nextAlarmAt: number | undefined
}

interface Pending {
  readonly at: number
  readonly call: () => void
}

export function manualClock(start = Date.UTC(2026, 10, 22)): ManualClock {
  let time = start
  let pending: readonly Pending[] = []
  const next = () => pending.toSorted((one, other) => one.at - other.at)[0]
  return {
    now: () => time,
    after(milliseconds, call): Alarm {
      const entry = { at: time + Math.max(0, milliseconds), call }
      pending = [...pending, entry]
      return { cancel: () => (pending = pending.filter((other) => other !== entry)) }
    },
    advance(milliseconds) {
      const end = time + milliseconds
      for (let entry = next(); entry !== undefined && entry.at <= end; entry = next()) {
        const rung = entry
        pending = pending.filter((other) => other !== rung)
        time = Math.max(time, rung.at)
        rung.call()
      }
      time = end
    },
    get nextAlarmAt() {
      return next()?.at
    },
  }
}
