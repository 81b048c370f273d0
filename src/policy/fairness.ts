/**
 * Whose turn it is among the lanes that could start something now.
 *
 * Each lane pays for what it starts: its *pass* grows by one for an attempt, by more in a lane of mail
 * for many. The lane with the smallest pass is next, and a lane that comes anew begins at the pass
 * of the last one chosen. So every lane gets its turn, no lane more than its share, and a note to
 * one waits for a few attempts however long the list beside it is (stride scheduling).
 */

export interface Claimant {
  readonly lane: string
  readonly pass: number
  /** Milliseconds since 1970: when its first recipient became due. */
  readonly dueAt: number
}

export interface Choice {
  readonly lane: string
  readonly because: string
}

/** Behind the name of a lane whose messages have many recipients. */
export const BULK_SUFFIX = ' bulk'
/** Recipients beyond which a message waits in such a lane. */
export const BULK_RECIPIENTS = 100

const BULK_COST = 4

export function isBulk(lane: string): boolean {
  return lane.endsWith(BULK_SUFFIX)
}

export function withoutBulk(lane: string): string {
  return isBulk(lane) ? lane.slice(0, -BULK_SUFFIX.length) : lane
}

export function laneFor(lane: string, recipientCount: number): string {
  return recipientCount > BULK_RECIPIENTS ? lane + BULK_SUFFIX : lane
}

/** Smallest pass; between equals a note before a list, then who has waited longest. */
export function chooseLane(claimants: Iterable<Claimant>): Choice | undefined {
  let best: Claimant | undefined
  for (const claimant of claimants) {
    if (best === undefined || comesBefore(claimant, best)) best = claimant
  }
  if (best === undefined) return undefined
  return { lane: best.lane, because: `pass ${best.pass}, due at ${best.dueAt}` }
}

export function passAfter(claimant: Claimant): number {
  return claimant.pass + (isBulk(claimant.lane) ? BULK_COST : 1)
}

function comesBefore(one: Claimant, other: Claimant): boolean {
  if (one.pass !== other.pass) return one.pass < other.pass
  const [oneBulk, otherBulk] = [isBulk(one.lane), isBulk(other.lane)]
  if (oneBulk !== otherBulk) return otherBulk
  return one.dueAt < other.dueAt
}
