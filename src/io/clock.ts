/**
 * The time, and being called later. A parameter wherever something waits, so that tests own it.
 */

export interface Alarm {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls once. An alarm keeps no process alive. */
  after(milliseconds: number, call: () => void): Alarm
}

/** Longer waits than this overflow Node's timers; whoever waits looks again. */
const LONGEST_WAIT = 2_000_000_000

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, Math.min(Math.max(0, milliseconds), LONGEST_WAIT)).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
