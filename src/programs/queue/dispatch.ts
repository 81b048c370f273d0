/**
 * What to do next: the pure heart of the dispatcher.
 *
 * A lane in memory is known to have due recipients (`due`), has claimed some (`claimed` batches of
 * them), or has attempts running. Each look answers one step for one lane, or nothing:
 *
 *     agent   its agent is not there: ask for it, and let its mail collect meanwhile
 *     claim   take some of its due recipients
 *     start   begin an attempt with its first batch
 *     settle  its first batch needs no attempt: the address is unknown, its agent is
 *             refused, or its site rests
 *
 * Who is next among the lanes that could do something: policy/fairness.ts. How much at once:
 * policy/concurrency.ts and the settings.
 */

import type { AgentKind } from '../../contracts/account.ts'
import type { Limits } from '../../contracts/settings.ts'
import type { Pace } from '../../policy/concurrency.ts'
import {
  admitToSite,
  FAILURES_BEFORE_REST,
  isResting,
  shareOfAgent,
  shareOfBulk,
} from '../../policy/concurrency.ts'
import type { Claimant } from '../../policy/fairness.ts'
import { chooseLane, isBulk, withoutBulk } from '../../policy/fairness.ts'
import { agentOfLane } from '../../policy/routing.ts'

/** Where attempts of a lane are made, and what they are counted under. */
export type Place =
  | LocalPlace
  | { readonly kind: 'remote'; readonly key: string }
  | { readonly kind: 'unknown' }

interface LocalPlace {
  readonly kind: 'local'
  readonly key: string
  readonly agent: AgentKind
}

export interface LaneView extends Claimant {
  readonly due: boolean
  readonly claiming: boolean
  readonly claimed: number
  readonly place: Place
}

/** The rest of the world, as far as it decides. */
export interface DispatchView {
  readonly now: number
  readonly limits: Pick<Limits, 'deliveries' | 'localDeliveries' | 'deliveriesPerSite'>
  readonly runningRemote: number
  /** Without those at agents that have stalled: their places are lent to others. */
  readonly runningLocal: number
  readonly runningAt: (key: string) => number
  /** `starting` also where the agent is there and gets nothing new: it leaves, or has stalled. */
  readonly agent: (key: string) => 'warm' | 'starting' | 'absent' | 'refused'
  readonly pace: (key: string) => Pace
  readonly remotes: number
  /** There is room in memory for more claimed recipients. */
  readonly mayClaim: boolean
}

export type Act = 'agent' | 'claim' | 'start' | 'settle'
export interface Step {
  readonly act: Act
  readonly lane: string
  readonly because: string
}

/** Where addresses no mailbox can have wait to fail. */
export const UNKNOWN_LANE = 'unknown'

export function nextStep(lanes: Iterable<LaneView>, view: DispatchView): Step | undefined {
  const ready = new Map<string, Act>()
  const candidates: LaneView[] = []
  for (const lane of lanes) {
    const act = actOf(lane, view)
    if (act === undefined) continue
    ready.set(lane.lane, act)
    candidates.push(lane)
  }
  const choice = chooseLane(candidates)
  const act = choice === undefined ? undefined : ready.get(choice.lane)
  return choice === undefined || act === undefined ? undefined : { act, ...choice }
}

/** What this lane could do now; absent: wait. */
export function actOf(lane: LaneView, view: DispatchView): Act | undefined {
  if (lane.claimed === 0 && (!lane.due || lane.claiming)) return undefined
  const able = ability(lane, view)
  switch (able) {
    case 'wait':
      return undefined
    case 'agent':
      return 'agent'
    case 'settle':
    case 'start':
      if (lane.claimed > 0) return able
      return view.mayClaim ? 'claim' : undefined
  }
}

function ability(lane: LaneView, view: DispatchView): 'start' | 'settle' | 'agent' | 'wait' {
  switch (lane.place.kind) {
    case 'unknown':
      return 'settle'
    case 'local':
      return localAbility(lane, lane.place, view)
    case 'remote':
      return remoteAbility(lane, lane.place.key, view)
  }
}

function localAbility(lane: LaneView, { key, agent }: LocalPlace, view: DispatchView) {
  switch (view.agent(key)) {
    case 'refused':
      return 'settle'
    case 'absent':
      return 'agent'
    case 'starting':
      return 'wait'
    case 'warm': {
      const { localDeliveries } = view.limits
      const room = view.runningLocal < share(lane, localDeliveries)
      const most = share(lane, shareOfAgent(agent.kind, localDeliveries))
      return room && view.runningAt(key) < most ? 'start' : 'wait'
    }
  }
}

/**
 * A resting site is not spoken to, but what is due for it is put off by its own schedule: so no
 * message waits past its lifetime because others failed.
 */
function remoteAbility(lane: LaneView, key: string, view: DispatchView) {
  const pace = view.pace(key)
  const running = view.runningAt(key)
  const probed = pace.failures >= FAILURES_BEFORE_REST && running > 0
  if (isResting(pace, view.now) || probed) return 'settle'
  if (view.remotes === 0 || view.runningRemote >= share(lane, view.limits.deliveries)) return 'wait'
  const most = share(lane, view.limits.deliveriesPerSite)
  return admitToSite(pace, { running, now: view.now, most }).admitted ? 'start' : 'wait'
}

function share(lane: LaneView, limit: number): number {
  return isBulk(lane.lane) ? shareOfBulk(limit) : limit
}

/** The place a lane is named after; what has been claimed may lead elsewhere after a reload. */
export function placeOfLane(lane: string, siteOf: (domain: string) => string | undefined): Place {
  const name = withoutBulk(lane)
  const agent = agentOfLane(name)
  if (agent !== undefined) return { kind: 'local', key: name, agent }
  if (!name.startsWith(REMOTE)) return { kind: 'unknown' }
  return { kind: 'remote', key: siteOf(name.slice(REMOTE.length)) ?? name }
}

const REMOTE = 'remote/'

/** Which of the connected remote agents a site belongs to: always the same while they stay. */
export function ownerOf(
  site: string,
  indexes: readonly number[],
  most: number,
): number | undefined {
  if (indexes.length === 0) return undefined
  let hash = 0x811c9dc5
  for (let at = 0; at < site.length; at += 1) {
    hash = Math.imul(hash ^ site.charCodeAt(at), 0x01000193) >>> 0
  }
  const wanted = hash % Math.max(1, most)
  return indexes.includes(wanted) ? wanted : indexes[hash % indexes.length]
}
