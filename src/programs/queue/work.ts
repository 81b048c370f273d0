/**
 * The work itself: makes the attempt for a batch and turns what its agent says, or leaves unsaid,
 * into verdicts. Counts what is running.
 */

import type { Deferred, Outcome } from '../../contracts/outcome.ts'
import type { Connection } from '../../io/connection.ts'
import type { AgentPool, Assignment } from './agents.ts'
import type { AttemptEnd } from './attempt.ts'
import { attempt, LOCAL_LIMITS, REMOTE_LIMITS } from './attempt.ts'
import type { Batch } from './batches.ts'
import { headOf } from './batches.ts'
import type { Place } from './dispatch.ts'
import { ownerOf } from './dispatch.ts'
import type { Settler } from './settle.ts'
import type { Sites } from './sites.ts'
import { siteEventOf } from './sites.ts'
import type { ClaimedRecipient, RecipientId, StoredMessage } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'
import { BoundedMap } from './surroundings.ts'
import { NO_SUCH_MAILBOX, released, silenceOf, verdictOf } from './verdict.ts'

export interface DeliveryPartners {
  readonly agents: AgentPool
  readonly settler: Settler
  /** Connected remote agents by their index. */
  readonly remotes: ReadonlyMap<number, Connection>
}

export interface WorkContext {
  readonly partners: () => DeliveryPartners
  readonly sites: Sites
  /** An attempt has ended; its slot is free. */
  readonly onOver: () => void
  /** A site rests until then. */
  readonly onRest: (until: number) => void
}

interface Occasion {
  readonly place: Place
  readonly arrivedAt: number
  readonly startedAt: number
  readonly notBefore?: number | undefined
}

/** How often a recipient is tried again at once after its agent has died in the middle. */
const MOST_CRASHES = 2
const MOST_CRASHED = 10_000

export class Work {
  readonly #surroundings: Surroundings
  readonly #context: WorkContext
  readonly #runningAt = new Map<string, number>()
  readonly #crashes = new BoundedMap<RecipientId, number>(MOST_CRASHED)
  #running = 0
  #runningLocal = 0

  constructor(surroundings: Surroundings, context: WorkContext) {
    this.#surroundings = surroundings
    this.#context = context
  }

  get running(): number {
    return this.#running
  }

  get runningRemote(): number {
    return this.#running - this.#runningLocal
  }

  get runningLocal(): number {
    return this.#runningLocal
  }

  runningAt(key: string): number {
    return this.#runningAt.get(key) ?? 0
  }

  /** Gives each recipient of the batch an outcome without an attempt. */
  async settleUntried(place: Place, batch: Batch): Promise<void> {
    const { store, clock, onStoreFailure } = this.#surroundings
    try {
      const message = await store.message(batch.queueId)
      if (message === undefined) return
      const { outcome, notBefore } = this.#untried(place)
      const startedAt = clock.now()
      for (const { recipient } of batch.claimed) {
        this.#conclude(recipient, outcome, {
          place,
          arrivedAt: message.arrivedAt,
          startedAt,
          notBefore,
        })
      }
    } catch (error) {
      onStoreFailure(error)
    }
  }

  #untried(place: Place): { readonly outcome: Outcome; readonly notBefore?: number } {
    switch (place.kind) {
      case 'unknown':
        return { outcome: NO_SUCH_MAILBOX }
      case 'local': {
        const standing = this.#context.partners().agents.standing(place.key)
        return { outcome: standing.kind === 'refused' ? standing.outcome : silenceOf('cancelled') }
      }
      case 'remote':
        return { outcome: SITE_RESTS, notBefore: this.#context.sites.pace(place.key).restsUntil }
    }
  }

  async run(place: Place, batch: Batch): Promise<void> {
    const slot = this.#count(place)
    const connection = this.#connectionTo(place)
    const { store, clock, onStoreFailure } = this.#surroundings
    const startedAt = clock.now()
    try {
      const message = await store.message(batch.queueId)
      if (message === undefined || connection === undefined) {
        for (const { recipient } of batch.claimed) this.#release(recipient)
      } else {
        const occasion = { place, arrivedAt: message.arrivedAt, startedAt }
        await this.#attempt({ batch, message, connection, occasion, slot })
      }
    } catch (error) {
      onStoreFailure(error)
    }
    slot.over()
  }

  async #attempt(work: {
    readonly batch: Batch
    readonly message: StoredMessage
    readonly connection: Connection
    readonly occasion: Occasion
    readonly slot: Assignment
  }): Promise<void> {
    const { batch, message, connection, occasion } = work
    const { store, clock, log } = this.#surroundings
    const head = headOf(batch, message)
    if (head === undefined) return
    const { queueId } = batch
    const open = new Map(batch.claimed.map(({ recipient }, index) => [index, recipient]))
    const outcomes: Outcome[] = []
    const end = await attempt({
      connection,
      head,
      content: store.readContent(queueId),
      clock,
      limits: occasion.place.kind === 'local' ? LOCAL_LIMITS : REMOTE_LIMITS,
      onOutcome: (index, outcome) => {
        const recipient = open.get(index)
        if (recipient === undefined) return
        open.delete(index)
        outcomes.push(outcome)
        this.#crashes.delete(recipient.id)
        this.#conclude(recipient, outcome, occasion)
      },
      onProgress: () => work.slot.progress(),
      onComplaint: (why) =>
        log.write({ event: 'agent-misbehaves', queueId, fields: { lane: batch.lane, why } }),
    })
    for (const recipient of open.values()) this.#unsaid(recipient, end, occasion)
    this.#noteSite(batch.lane, { outcomes, startedAt: occasion.startedAt })
  }

  /** Counts an attempt until it is said to be over. */
  #count(place: Place): Assignment {
    const key = place.kind === 'unknown' ? '' : place.key
    const { agents } = this.#context.partners()
    const assignment = place.kind === 'local' ? agents.assign(key) : undefined
    const local = place.kind === 'local' ? 1 : 0
    this.#running += 1
    this.#runningLocal += local
    this.#runningAt.set(key, (this.#runningAt.get(key) ?? 0) + 1)
    const over = () => {
      this.#running -= 1
      this.#runningLocal -= local
      const left = (this.#runningAt.get(key) ?? 1) - 1
      if (left === 0) this.#runningAt.delete(key)
      else this.#runningAt.set(key, left)
      assignment?.over()
      this.#context.onOver()
    }
    return { progress: () => assignment?.progress(), over }
  }

  #connectionTo(place: Place): Connection | undefined {
    const { agents, remotes } = this.#context.partners()
    switch (place.kind) {
      case 'unknown':
        return undefined
      case 'local': {
        const standing = agents.standing(place.key)
        return standing.kind === 'warm' ? standing.connection : undefined
      }
      case 'remote': {
        const most = this.#surroundings.settings().limits.remotes
        const owner = ownerOf(place.key, [...remotes.keys()], most)
        return owner === undefined ? undefined : remotes.get(owner)
      }
    }
  }

  #unsaid(recipient: ClaimedRecipient, end: AttemptEnd, occasion: Occasion): void {
    const crashes = (this.#crashes.get(recipient.id) ?? 0) + 1
    if (end === 'lost' && crashes <= MOST_CRASHES) {
      this.#crashes.set(recipient.id, crashes)
      this.#release(recipient, 1000 * 2 ** crashes)
    } else {
      this.#crashes.delete(recipient.id)
      this.#conclude(recipient, silenceOf(end), occasion)
    }
  }

  #release(recipient: ClaimedRecipient, delay = 1000): void {
    const at = this.#surroundings.clock.now() + delay
    this.#context.partners().settler.add(released(recipient, at))
  }

  #conclude(recipient: ClaimedRecipient, outcome: Outcome, occasion: Occasion): void {
    const { clock, settings } = this.#surroundings
    const { place, ...times } = occasion
    const verdict = verdictOf(recipient, outcome, {
      ...times,
      endedAt: clock.now(),
      channel: place.kind === 'remote' ? 'remote' : 'local',
      retry: settings().retry,
    })
    this.#context.partners().settler.add(verdict)
  }

  /** An attempt has shown something of its site, which by now may have a better name. */
  #noteSite(
    lane: string,
    shown: { readonly outcomes: readonly Outcome[]; readonly startedAt: number },
  ): void {
    const { clock, log, settings } = this.#surroundings
    const { sites } = this.#context
    const now = clock.now()
    const place = sites.placeOf(lane, now)
    if (place.kind !== 'remote') return
    const most = settings().limits.deliveriesPerSite
    const { startedAt } = shown
    const rests = sites.attempted(place.key, siteEventOf(shown.outcomes), { startedAt, now, most })
    if (rests === undefined) return
    const { failures, restsUntil } = rests
    const until = new Date(restsUntil).toISOString()
    log.write({ event: 'site-rests', fields: { site: place.key, failures, until } })
    this.#context.onRest(restsUntil)
  }
}

const SITE_RESTS: Deferred = {
  kind: 'deferred',
  status: '4.4.1',
  text: 'The hosts of this domain could not be reached a moment ago and are given a rest.',
}
