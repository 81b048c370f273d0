/**
 * How many attempts one site or one local agent is given at once, and when it is left alone.
 *
 * A site begins with a few, earns one more with each success and loses half when it cannot be
 * reached. Failing to be reached twice in a row rests the site as a whole, longer each time; after
 * a rest one attempt probes it. Whatever it answers, even a refusal, ends that.
 *
 *     in a row   2      3      4      5      6       7 …
 *     rest       1 min  2 min  4 min  8 min  16 min  32 min, then 1 h
 *
 * An agent of an account is in its owner's hands, who may stop it; so it never has more than its share
 * of what all have together, and once it is seen to have stalled, others get its places.
 */

import type { AgentKind } from '../contracts/account.ts'

export interface Pace {
  readonly limit: number
  /** Times in a row that the site could not be reached. */
  readonly failures: number
  readonly failedAt: number
  readonly restsUntil: number
}

/** What an attempt showed of its site: `answered` covers every reply that is no delivery. */
export type SiteEvent = 'delivered' | 'answered' | 'unreachable'

export const FIRST_LIMIT = 5
export const FAILURES_BEFORE_REST = 2
export const SHORTEST_REST = 60_000
export const LONGEST_REST = 3_600_000

export const FRESH_PACE: Pace = { limit: FIRST_LIMIT, failures: 0, failedAt: 0, restsUntil: 0 }

export function paceAfter(
  pace: Pace,
  event: SiteEvent,
  context: { readonly startedAt: number; readonly now: number; readonly most: number },
): Pace {
  switch (event) {
    case 'delivered':
      return { ...FRESH_PACE, limit: Math.min(context.most, pace.limit + 1) }
    case 'answered':
      return { ...FRESH_PACE, limit: Math.min(context.most, pace.limit) }
    case 'unreachable':
      return paceAfterFailure(pace, context)
  }
}

/** Attempts that ran side by side tell of one failure, not of several in a row. */
function paceAfterFailure(
  pace: Pace,
  context: { readonly startedAt: number; readonly now: number },
): Pace {
  if (pace.failures > 0 && context.startedAt < pace.failedAt) return pace
  const failures = pace.failures + 1
  const restsUntil = context.now + restAfter(failures)
  return {
    limit: Math.max(1, Math.floor(pace.limit / 2)),
    failures,
    failedAt: context.now,
    restsUntil,
  }
}

export function restAfter(failures: number): number {
  if (failures < FAILURES_BEFORE_REST) return 0
  return Math.min(LONGEST_REST, SHORTEST_REST * 2 ** Math.min(20, failures - FAILURES_BEFORE_REST))
}

export interface Admission {
  readonly admitted: boolean
  readonly because: string
}

/** Whether one more attempt may begin at a site with `running` of them. */
export function admitToSite(
  pace: Pace,
  site: { readonly running: number; readonly now: number; readonly most: number },
): Admission {
  if (isResting(pace, site.now)) return { admitted: false, because: 'the site rests' }
  const probing = pace.failures >= FAILURES_BEFORE_REST
  const limit = probing ? 1 : Math.min(pace.limit, site.most)
  const because = `${site.running} running, limit ${limit}${probing ? ' (probing)' : ''}`
  return { admitted: site.running < limit, because }
}

export function isResting(pace: Pace, now: number): boolean {
  return pace.restsUntil > now
}

/**
 * Milliseconds with attempts under way, and neither content taken nor an outcome told, after which
 * an agent has stalled. Longer than an agent waits for the lock of an mbox.
 */
export const AGENT_STALLS_AFTER = 35_000

/**
 * Attempts at once with one agent, of those all agents may have together: a quarter for one that an
 * ordinary user may have in hand; all for virtual mailboxes, whose owner the administrator named.
 */
export function shareOfAgent(kind: AgentKind['kind'], localDeliveries: number): number {
  switch (kind) {
    case 'account':
    case 'spool':
      return Math.max(1, Math.floor(localDeliveries / 4))
    case 'mailboxes':
      return localDeliveries
  }
}

/** Mail for many may use three quarters of any limit, so that a note finds room at once. */
export function shareOfBulk(limit: number): number {
  return Math.max(1, Math.floor((limit * 3) / 4))
}
