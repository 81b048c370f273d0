/**
 * Leases, and what may be leased. A lease is an entry in this process's memory and ends with it.
 *
 * A leased recipient's row still says `waiting` and still lies at the head of its lane, so whoever
 * looks there reads as many entries more as the lane has leases.
 */

import type { Notify } from '../../../../contracts/submission.ts'
import { NOTIFY_WORDS } from '../../../../contracts/submission.ts'
import type { Follower } from '../group-commit.ts'
import { formatQueueId } from '../queue-id.ts'
import type { ClaimedRecipient, RecipientId } from '../store.ts'
import type { Database, Query } from './database.ts'

export interface Claim {
  readonly message: number
  readonly lane: string
  readonly address: string
  readonly dueAt: number
  /** RFC 3461 section 4.1: the sender wants to know of success. */
  readonly tellsSuccess: boolean
}

type Columns = [
  message: number,
  address: string,
  original: string | null,
  notify: string | null,
  attempts: number,
  dueAt: number,
]

interface Change {
  readonly id: RecipientId
  readonly claim: Claim
  readonly taken: boolean
}

export class Claims implements Follower {
  #claims = new Map<RecipientId, Claim>()
  #ofLane = new Map<string, number>()
  #ofMessage = new Map<number, number>()
  #changes: Change[] = []
  #head: Query<[id: number, dueAt: number]>
  #row: Query<Columns>

  constructor(database: Database) {
    this.#head = database.query(
      `SELECT id, due_at FROM recipient WHERE state = 0 AND lane = ? AND due_at <= ?
       ORDER BY due_at, id LIMIT +?`,
    )
    this.#row = database.query(
      'SELECT message, address, original, notify, attempts, due_at FROM recipient WHERE id = ?',
    )
  }

  get size(): number {
    return this.#claims.size
  }

  has(id: RecipientId): boolean {
    return this.#claims.has(id)
  }

  hasLane(lane: string): boolean {
    return this.#ofLane.has(lane)
  }

  hasMessage(message: number): boolean {
    return this.#ofMessage.has(message)
  }

  /** When the first recipient of the lane that is due and not leased became due. */
  firstDue(lane: string, now: number): number | undefined {
    const leased = this.#ofLane.get(lane) ?? 0
    return this.#head.all(lane, now, leased + 1).find(([id]) => !this.#claims.has(id))?.[1]
  }

  take(lane: string, limit: number, now: number): readonly ClaimedRecipient[] {
    const head = this.#head.all(lane, now, limit + (this.#ofLane.get(lane) ?? 0))
    const ofMessages = new Map<number, ClaimedRecipient[]>()
    let taken = 0
    for (const [id] of head) {
      if (taken === limit) break
      if (this.#claims.has(id)) continue
      this.#takeOne(id, lane, ofMessages)
      taken++
    }
    return [...ofMessages.values()].flat()
  }

  #takeOne(id: RecipientId, lane: string, into: Map<number, ClaimedRecipient[]>): void {
    const row = this.#row.get(id)
    if (row === undefined) throw new Error('the index of waiting recipients names a missing one')
    const [message, address, original, notifyText, attempts, dueAt] = row
    const notify = notifyOf(notifyText)
    this.#change(id, {
      message,
      lane,
      address,
      dueAt,
      tellsSuccess: notify?.includes('success') ?? false,
    })
    const claimed: ClaimedRecipient = {
      id,
      queueId: formatQueueId(message),
      address,
      lane,
      attempts,
      ...(original === null ? {} : { originalRecipient: original }),
      ...(notify === undefined ? {} : { notify }),
    }
    const others = into.get(message)
    if (others === undefined) into.set(message, [claimed])
    else others.push(claimed)
  }

  /** Ends a lease. */
  release(id: RecipientId): Claim | undefined {
    const claim = this.#claims.get(id)
    if (claim === undefined) return undefined
    this.#remove(id, claim)
    this.#changes.push({ id, claim, taken: false })
    return claim
  }

  #change(id: RecipientId, claim: Claim): void {
    this.#add(id, claim)
    this.#changes.push({ id, claim, taken: true })
  }

  #add(id: RecipientId, claim: Claim): void {
    this.#claims.set(id, claim)
    count(this.#ofLane, claim.lane, 1)
    count(this.#ofMessage, claim.message, 1)
  }

  #remove(id: RecipientId, claim: Claim): void {
    this.#claims.delete(id)
    count(this.#ofLane, claim.lane, -1)
    count(this.#ofMessage, claim.message, -1)
  }

  committed(): void {
    this.#changes.length = 0
  }

  rolledBack(): void {
    for (const { id, claim, taken } of this.#changes.reverse()) {
      if (taken) this.#remove(id, claim)
      else this.#add(id, claim)
    }
    this.#changes.length = 0
  }
}

function count<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const sum = (counts.get(key) ?? 0) + by
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}

export function notifyOf(text: string | null): readonly Notify[] | undefined {
  if (text === null) return undefined
  const words = text.split(',')
  return NOTIFY_WORDS.filter((word) => words.includes(word))
}
