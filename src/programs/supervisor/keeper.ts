/**
 * Keeps the programs running: starts them, connects each to the queue, replaces what has died.
 *
 *     slot:  empty ──begin──▶ running ──ready──▶ its predecessor (after a reload) is told to finish
 *              ▲                 │
 *              └──── delay ◀─────┘ has died
 *
 * A program belongs to the queue it was connected to. When that dies, so do they, by themselves or after
 * five seconds, and each comes back with a connection to the next one.
 */

import { PROGRAMS } from '../../contracts/programs.ts'
import type { ProgramName, Status } from '../../contracts/supervision.ts'
import { CannotStart, EXIT } from '../../io/cannot-start.ts'
import type { Doors } from '../../io/doors.ts'
import type { Relay } from '../../io/log-relay.ts'
import { Child } from '../../io/supervised.ts'
import type { Place } from '../../policy/restart.ts'
import { countFailures, restartDelay, wantedPlaces } from '../../policy/restart.ts'
import type { GoodSettings } from './ask-settings.ts'
import type { Situation } from './situation.ts'

interface Slot {
  readonly place: Place
  child?: Child | undefined
  /** Runs on with the old settings until its successor is ready. */
  predecessor?: Child | undefined
  failures: number
  waiting?: NodeJS.Timeout | undefined
}

export interface World {
  readonly situation: Situation
  readonly doors: Doors
  readonly log: Relay
  /** A program cannot do its work, and never could. */
  readonly onCannot: (problem: CannotStart) => void
}

const LEAVE_WITHIN = 5_000
const GRACE = 5
/** These go on over a reload: they are told the new settings. */
const LASTING: readonly ProgramName[] = ['queue', 'launcher']
/** Who is told to finish at the same time, from the outside in, with which part of the time left. */
const STAGES: readonly { readonly programs: readonly ProgramName[]; readonly part: number }[] = [
  { programs: ['receiver', 'pickup', 'console'], part: 0.5 },
  { programs: ['queue'], part: 1 },
  { programs: ['launcher', 'remote'], part: 1 },
]

export class Keeper {
  readonly #world: World
  settings: GoodSettings
  stopping = false
  #slots: readonly Slot[] = []
  /** Every child alive, with the queue it is connected to. */
  readonly #alive = new Map<Child, Child | undefined>()
  #wasReady = false

  constructor(world: World, settings: GoodSettings) {
    this.#world = world
    this.settings = settings
    this.#slots = wantedPlaces(settings.supervisor).map((place) => ({ place, failures: 0 }))
    for (const slot of this.#slots) this.#begin(slot)
  }

  reload(settings: GoodSettings): void {
    this.settings = settings
    const before = this.#slots
    const find = ({ program, index }: Place) =>
      before.find(({ place }) => place.program === program && place.index === index)
    this.#slots = wantedPlaces(settings.supervisor).map(
      (place) => find(place) ?? { place, failures: 0 },
    )
    for (const slot of new Set([...before, ...this.#slots])) {
      const { program } = slot.place
      if (!LASTING.includes(program)) this.#succeed(slot, this.#slots.includes(slot))
      else slot.child?.order({ order: 'settings', settings: settings.parts[program] })
    }
  }

  /** Resolves once nothing runs any more. A second call ends everything at once. */
  async stop(): Promise<void> {
    if (this.stopping) return this.#kill([...this.#alive.keys()])
    this.stopping = true
    const { finishWithin } = this.settings.supervisor
    const end = performance.now() + finishWithin * 1_000
    setTimeout(() => this.#kill([...this.#alive.keys()]), (finishWithin + GRACE) * 1_000)
    for (const { programs, part } of STAGES) {
      const left = Math.max(0, (end - performance.now()) / 1_000)
      const members = [...this.#alive.keys()].filter((child) => programs.includes(child.program))
      for (const child of members) child.finish(Math.ceil(left * part))
      await Promise.all(members.map((child) => child.gone))
    }
  }

  /** A channel to queue or launcher has thrown or swollen: which of the two did it is not known. */
  blame(why: string): void {
    this.#world.log.say('channel-failed', { why })
    this.#kill([...this.#alive.keys()].filter((child) => LASTING.includes(child.program)))
  }

  #begin(slot: Slot): void {
    slot.waiting = undefined
    const queue = this.#slots[0]?.child
    const isQueue = slot.place.program === 'queue'
    const useless = !this.#slots.includes(slot) || (queue === undefined && !isQueue)
    if (this.stopping || slot.child !== undefined || useless) return
    slot.child = this.#start(slot, queue)
    if (!isQueue) return
    for (const other of this.#slots) if (other.waiting === undefined) this.#begin(other)
  }

  #start(slot: Slot, queue: Child | undefined): Child {
    const { situation, doors, log } = this.#world
    const { place } = slot
    const child: Child = new Child(
      {
        place,
        ...situation,
        identity: situation.identities.get(PROGRAMS[place.program].user),
        ...doors.of(place.program),
        paths: this.settings.supervisor.paths,
        settings: this.settings.parts[place.program],
        log,
      },
      {
        onStatus: (status) => this.#hear(slot, child, status),
        onAgent: (token, socket) => {
          if (!this.#slots[0]?.child?.hand({ handover: 'agent', token }, socket)) socket.destroy()
        },
        onGone: (how) => this.#lose(slot, child, how),
      },
    )
    this.#alive.set(child, queue)
    const { connection } = child
    const moved =
      connection === undefined || queue?.hand({ handover: 'partner', ...place }, connection)
    if (!moved) child.kill()
    return child
  }

  #hear(slot: Slot, child: Child, status: Status): void {
    const { situation, doors, log, onCannot } = this.#world
    if (status.status === 'cannot') {
      log.say('program-cannot', { ...slot.place, why: status.why })
      const problem = new CannotStart(`${child.program}: ${status.why}`, EXIT.configuration)
      if (!this.#wasReady) onCannot(problem)
      return
    }
    child.ready = true
    if (slot.child !== child) return
    slot.predecessor?.finish(this.settings.supervisor.finishWithin)
    slot.predecessor = undefined
    if (this.#wasReady || !this.#slots.every((each) => each.child?.ready === true)) return
    this.#wasReady = true
    doors.sayReady()
    log.say('ready', { release: situation.release })
  }

  #lose(slot: Slot, child: Child, how: string): void {
    const queue = this.#alive.get(child)
    this.#alive.delete(child)
    if (slot.predecessor === child) slot.predecessor = undefined
    if (slot.child !== child) return
    slot.child = undefined
    if (this.stopping) return
    const partners = [...this.#alive].filter(([, of]) => of === child).map(([partner]) => partner)
    setTimeout(() => this.#kill(partners), LEAVE_WITHIN).unref()
    // Whoever has left because the queue did has not failed.
    const renewed = queue !== undefined && queue !== this.#slots[0]?.child
    if (!renewed) slot.failures = countFailures(slot.failures, child.ageSeconds)
    const restartAfter = renewed ? 0 : restartDelay(slot.failures)
    this.#world.log.say('program-ended', { ...slot.place, how, restartAfter })
    slot.waiting = setTimeout(() => this.#begin(slot), restartAfter * 1_000)
  }

  /** Starts a successor if there is to be one, and lets the old one work until that is ready. */
  #succeed(slot: Slot, wanted: boolean): void {
    slot.predecessor?.finish(this.settings.supervisor.finishWithin)
    clearTimeout(slot.waiting)
    slot.predecessor = slot.child
    slot.child = undefined
    if (wanted) this.#begin(slot)
    else slot.predecessor?.finish(this.settings.supervisor.finishWithin)
  }

  #kill(children: readonly Child[]): void {
    for (const child of children) child.kill()
  }
}
