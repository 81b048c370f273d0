/**
 * When to try a deferred recipient again.
 *
 * The nth retry is made when the message is (n × spacing)² seconds old: soon at first, then ever
 * more rarely. The time depends on the message's own age and on nothing else, so two messages that
 * failed together do not come back together. A list of ages may stand in its place.
 */

import type { Retry } from '../contracts/settings.ts'

/** Deliveries on this host have a schedule of their own: what ails them is mended sooner. */
export type Channel = 'local' | 'remote'

/** One attempt at one recipient, in milliseconds since 1970. */
export interface AttemptTimes {
  readonly arrivedAt: number
  readonly startedAt: number
  readonly endedAt: number
}

export interface NextAttempt {
  readonly at: number
  readonly because: string
}

type Seconds = number

export function nextAttempt(times: AttemptTimes, channel: Channel, retry: Retry): NextAttempt {
  const nextAge = ageRule(channel, retry)
  const fromStart = times.arrivedAt + nextAge(ageAt(times.startedAt, times)) * 1000
  // An attempt that outlasted its interval counts from its end, or it would begin again at once.
  const at =
    fromStart > times.endedAt
      ? fromStart
      : times.arrivedAt + nextAge(ageAt(times.endedAt, times)) * 1000
  const rule = retry.schedule.length > 0 ? 'retry.schedule' : `quadratic schedule, ${channel}`
  return { at, because: `${rule}: at age ${Math.round((at - times.arrivedAt) / 1000)} s` }
}

/** The age of the next attempt on the quadratic schedule; always greater than `age`. */
export function quadraticAge(age: Seconds, spacing: Seconds): Seconds {
  const root = Math.floor(Math.sqrt(Math.max(0, age))) + spacing
  return root * root
}

/** The first listed age still to come; beyond the list, its last interval over and over. */
export function listedAge(age: Seconds, schedule: readonly Seconds[]): Seconds {
  const next = schedule.find((listed) => listed > age)
  if (next !== undefined) return next
  const last = schedule.at(-1) ?? 0
  const interval = Math.max(1, last - (schedule.at(-2) ?? 0))
  return last + (Math.floor((age - last) / interval) + 1) * interval
}

function ageRule(channel: Channel, retry: Retry): (age: Seconds) => Seconds {
  if (retry.schedule.length > 0) return (age) => listedAge(age, retry.schedule)
  const spacing = channel === 'local' ? retry.localSpacing : retry.remoteSpacing
  return (age) => quadraticAge(age, Math.max(1, spacing))
}

function ageAt(time: number, times: AttemptTimes): Seconds {
  return (time - times.arrivedAt) / 1000
}
