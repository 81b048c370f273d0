/**
 * The dispatcher's shell: keeps the lanes in memory and does the steps that dispatch.ts answers. What
 * an attempt is, and what follows from it, is work.ts.
 *
 * In memory is a window: lanes that have something due, at most `MOST_LANES` of them, and what has
 * been claimed of each, at most `MOST_CLAIMED` recipients in all. It is looked at again after each
 * commit of new mail, each attempt, each settlement, each agent that comes or goes, and when the
 * alarm for the next due recipient rings.
 */

import type { SiteNotice } from '../../contracts/delivery.ts'
import { MOST_RECIPIENTS_IN_ATTEMPT } from '../../contracts/delivery.ts'
import type { Alarm } from '../../io/clock.ts'
import { passAfter, withoutBulk } from '../../policy/fairness.ts'
import type { Batch } from './batches.ts'
import { batchesOf } from './batches.ts'
import type { DispatchView, LaneView, Place, Step } from './dispatch.ts'
import { nextStep } from './dispatch.ts'
import { Sites } from './sites.ts'
import type { Surroundings } from './surroundings.ts'
import type { DeliveryPartners } from './work.ts'
import { Work } from './work.ts'

interface Lane extends LaneView {
  pass: number
  dueAt: number
  due: boolean
  claiming: boolean
  claimed: number
  place: Place
  nominal: Place
  readonly batches: Batch[]
}

const MOST_LANES = 2_000
const MOST_CLAIMED = 50_000
const MOST_UNSETTLED = 2_000
const MOST_STEPS = 100
/** The store is asked for due lanes at least this often: a lost wake-up costs a minute, never mail. */
const LONGEST_SLEEP = 60_000

export class Dispatcher {
  readonly #surroundings: Surroundings
  readonly #partners: () => DeliveryPartners
  readonly #sites = new Sites()
  readonly #work: Work
  readonly #lanes = new Map<string, Lane>()
  /** Agents that could not be started at this look. */
  readonly #asked = new Set<string>()
  #claimed = 0
  #virtualTime = 0
  #alarm: Alarm | undefined
  #alarmAt = Infinity
  #moreLanes = true
  #refreshing = false
  #scheduled = false
  #stopped = false

  constructor(surroundings: Surroundings, partners: () => DeliveryPartners) {
    this.#surroundings = surroundings
    this.#partners = partners
    this.#work = new Work(surroundings, {
      partners,
      sites: this.#sites,
      onOver: () => this.wake(),
      onRest: (until) => this.dueAt(until),
    })
  }

  get running(): number {
    return this.#work.running
  }

  /** Recipients in memory: what the window holds. */
  get claimed(): number {
    return this.#claimed
  }

  /** Takes nothing new; what runs goes on. */
  stop(): void {
    this.#stopped = true
    this.#alarm?.cancel()
  }

  /** Looks at everything again, soon. */
  wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#look()
    })
  }

  /** An operator has made mail due: sites that rest are tried again, too. */
  retryNow(): void {
    this.#sites.forgetPaces()
    this.refresh()
  }

  /** New mail has been committed to these lanes. */
  mailFor(lanes: Iterable<string>): void {
    const now = this.#surroundings.clock.now()
    for (const lane of lanes) this.#mark(lane, now)
    this.wake()
  }

  /** Some recipient waits until `at`. */
  dueAt(at: number): void {
    if (this.#stopped || at >= this.#alarmAt) return
    this.#setAlarm(at)
  }

  /** An operator has made recipients due, or all is new: ask the store. */
  refresh(): void {
    this.#moreLanes = true
    this.wake()
  }

  learnSite(notice: SiteNotice): void {
    this.#sites.learn(notice, this.#surroundings.clock.now())
    for (const name of [`remote/${notice.domain}`, `remote/${notice.domain} bulk`]) {
      const lane = this.#lanes.get(name)
      if (lane === undefined) continue
      lane.nominal = this.#placeOf(name)
      this.#placeHead(lane)
    }
  }

  #placeOf(lane: string): Place {
    return this.#sites.placeOf(lane, this.#surroundings.clock.now())
  }

  #mark(name: string, dueAt: number): void {
    const lane = this.#lanes.get(name)
    if (lane !== undefined) {
      lane.due = true
    } else if (this.#lanes.size >= MOST_LANES) {
      this.#moreLanes = true
    } else {
      this.#lanes.set(name, this.#newLane(name, dueAt))
    }
  }

  #newLane(lane: string, dueAt: number): Lane {
    const place = this.#placeOf(lane)
    const pass = this.#virtualTime
    const counts = { due: true, claiming: false, claimed: 0 }
    return { lane, pass, dueAt, ...counts, place, nominal: place, batches: [] }
  }

  #look(): void {
    if (this.#stopped) return
    if (this.#moreLanes && this.#lanes.size < MOST_LANES / 2) void this.#refresh()
    this.#asked.clear()
    const view = this.#view()
    for (let count = 0; count < MOST_STEPS; count += 1) {
      if (this.#partners().settler.pending >= MOST_UNSETTLED) return
      const step = nextStep(this.#lanes.values(), view)
      if (step === undefined) return
      this.#take(step)
    }
    this.wake()
  }

  /** The world as it is at each step. */
  #view(): DispatchView {
    const { clock, settings } = this.#surroundings
    const { agents, remotes } = this.#partners()
    const work = this.#work
    const mayClaim = () => this.#claimed < MOST_CLAIMED
    // Nothing begins at these, so that it holds for all steps of one look.
    const lent = agents.stalled.reduce((sum, key) => sum + work.runningAt(key), 0)
    return {
      now: clock.now(),
      limits: settings().limits,
      get runningRemote() {
        return work.runningRemote
      },
      get runningLocal() {
        return work.runningLocal - lent
      },
      get mayClaim() {
        return mayClaim()
      },
      runningAt: (key) => work.runningAt(key),
      pace: (key) => this.#sites.pace(key),
      remotes: remotes.size,
      agent: (key) => {
        const { kind } = agents.standing(key)
        return kind === 'absent' && this.#asked.has(key) ? 'starting' : kind
      },
    }
  }

  #take(step: Step): void {
    const lane = this.#lanes.get(step.lane)
    if (lane === undefined) return
    switch (step.act) {
      case 'agent':
        this.#startAgent(lane.place)
        return
      case 'claim':
        void this.#claim(lane)
        return
      case 'start':
      case 'settle': {
        this.#virtualTime = Math.max(this.#virtualTime, lane.pass)
        lane.pass = passAfter(lane)
        const batch = this.#takeBatch(lane)
        if (batch === undefined) return
        if (step.act === 'start') void this.#work.run(batch.place, batch.batch)
        else void this.#work.settleUntried(batch.place, batch.batch)
      }
    }
  }

  #startAgent(place: Place): void {
    if (place.kind !== 'local') return
    if (!this.#partners().agents.start(place.agent)) this.#asked.add(place.key)
  }

  #takeBatch(lane: Lane): { readonly batch: Batch; readonly place: Place } | undefined {
    const { place } = lane
    const batch = lane.batches.shift()
    if (batch === undefined) return undefined
    lane.claimed -= batch.claimed.length
    this.#claimed -= batch.claimed.length
    this.#placeHead(lane)
    this.#forgetIdle(lane)
    return { batch, place }
  }

  /** Counts the lane under the place its next batch leads to. */
  #placeHead(lane: Lane): void {
    const next = lane.batches[0]
    const astray = next !== undefined && next.lane !== withoutBulk(lane.lane)
    lane.place = astray ? this.#placeOf(next.lane) : lane.nominal
  }

  #forgetIdle(lane: Lane): void {
    if (!lane.due && !lane.claiming && lane.claimed === 0) this.#lanes.delete(lane.lane)
  }

  async #claim(lane: Lane): Promise<void> {
    const { store, clock, settings, onStoreFailure } = this.#surroundings
    const room = Math.min(MOST_RECIPIENTS_IN_ATTEMPT, MOST_CLAIMED - this.#claimed)
    lane.claiming = true
    // Mail that is committed while the claim runs marks the lane again.
    lane.due = false
    this.#claimed += room
    try {
      const recipients = await store.claim(lane.lane, room, clock.now())
      this.#claimed += recipients.length - room
      lane.claimed += recipients.length
      lane.batches.push(...batchesOf(recipients, settings()))
      if (recipients.length === room) lane.due = true
      this.#placeHead(lane)
    } catch (error) {
      onStoreFailure(error)
    }
    lane.claiming = false
    this.#forgetIdle(lane)
    this.wake()
  }

  async #refresh(): Promise<void> {
    if (this.#refreshing) return
    this.#refreshing = true
    this.#moreLanes = false
    const { store, clock, onStoreFailure } = this.#surroundings
    try {
      const now = clock.now()
      const lanes = await store.dueLanes(now, MOST_LANES)
      for (const { lane, dueAt } of lanes) this.#mark(lane, dueAt)
      if (lanes.length >= MOST_LANES) this.#moreLanes = true
      const next = await store.nextDueAfter(now)
      this.#setAlarm(Math.min(next ?? Infinity, now + LONGEST_SLEEP, this.#alarmAt))
    } catch (error) {
      onStoreFailure(error)
    }
    this.#refreshing = false
    this.wake()
  }

  #setAlarm(at: number): void {
    if (this.#stopped) return
    const { clock } = this.#surroundings
    this.#alarm?.cancel()
    this.#alarmAt = at
    this.#alarm = clock.after(Math.max(1, at - clock.now()), () => {
      this.#alarmAt = Infinity
      this.refresh()
    })
  }
}
