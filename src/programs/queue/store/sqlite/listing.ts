/**
 * What operators see and do: a walk over messages in the order of their ids, a bounded number of
 * rows at a time, and the acts upon what it finds.
 *
 * A cursor is `QUEUE-ID` (all up to this message has been seen) or `QUEUE-ID/RECIPIENT` (of this
 * message, all before this recipient).
 */

import type { ListedMessage, ListedRecipient, Selection } from '../../../../contracts/control.ts'
import { formatQueueId, parseQueueId } from '../queue-id.ts'
import { RECIPIENT_STATE } from '../schema.ts'
import type { Matcher } from '../selection.ts'
import { LISTED_RECIPIENTS, listed, matcherOf, SHOWN_RECIPIENTS } from '../selection.ts'
import type { Command, Query } from './database.ts'
import type { Engine } from './engine.ts'
import type { MessageRow } from './messages.ts'

type RecipientColumns = [
  id: number,
  state: number,
  dueAt: number,
  attempts: number,
  lane: string,
  address: string,
  lastText: string | null,
]

interface Position {
  readonly message: number
  readonly recipient: number
}

/** A stretch of one message's recipients that meet the selection. */
interface Stretch {
  readonly message: MessageRow
  readonly recipients: readonly RecipientColumns[]
}

interface Step {
  readonly stretches: readonly Stretch[]
  /** Absent at the end. */
  readonly next?: Position
}

/** Rows of messages and recipients looked at in one transaction. */
const MOST_ROWS = 2_000
const BEGINNING: Position = { message: 0, recipient: 0 }
const MESSAGES_AT_ONCE = 50
/** How long an act that is done in slices is remembered between two of them. */
const SAME_ACT_WITHIN = 60_000

interface Walk {
  readonly selection: Selection
  /** A message is found once, however many of its recipients are meant. */
  readonly oncePerMessage: boolean
  /** In one stretch. */
  readonly mostRecipients: number
  readonly isEnough: (found: readonly Stretch[]) => boolean
}

interface Act {
  readonly position: Position
  readonly at: number
}

type Apply = (stretch: Stretch) => number

const NO_MESSAGE = -1

export class Listing {
  #engine: Engine
  #acts = new Map<string, Act>()
  #recipients: Query<RecipientColumns>
  #makeDue: Command
  #remove: Command

  constructor(engine: Engine) {
    this.#engine = engine
    const { database } = engine
    this.#recipients = database.query(
      `SELECT id, state, due_at, attempts, lane, address, last_text FROM recipient
       WHERE id >= ? AND id < ? ORDER BY id LIMIT +?`,
    )
    this.#makeDue = database.command('UPDATE recipient SET due_at = ? WHERE id = ?')
    this.#remove = database.command('DELETE FROM recipient WHERE id = ?')
  }

  /** In a read. */
  show(queueId: string): ListedMessage | undefined {
    const row = this.#engine.messages.find(parseQueueId(queueId) ?? 0)
    return row === undefined ? undefined : this.#listed(row, SHOWN_RECIPIENTS)
  }

  /** In a read. */
  list(request: {
    readonly selection: Selection
    readonly after?: string
    readonly limit: number
  }): { readonly messages: readonly ListedMessage[]; readonly next?: string } {
    const { selection, limit } = request
    const start = startOf(selection, positionOf(request.after))
    const { stretches, next } = this.#step(start, {
      selection,
      oncePerMessage: true,
      mostRecipients: MOST_ROWS,
      isEnough: (found) => found.length >= limit,
    })
    const messages = stretches.map(({ message }) => this.#listed(message, LISTED_RECIPIENTS))
    return { messages, ...(next === undefined ? {} : { next: cursorOf(next) }) }
  }

  retry(selection: Selection, now: number, limit: number): Promise<number> {
    return this.#act({ name: 'retry', selection, now, limit }, ({ message, recipients }) => {
      const later = recipients.filter(([, state, dueAt]) => isWaiting(state) && dueAt > now)
      for (const [id, , , , lane] of later) {
        this.#makeDue(now, id)
        this.#engine.lanes.lower(lane, now)
      }
      const text = `${later.length} recipients made due by an operator`
      if (later.length > 0) this.#engine.events.add(message.id, { at: now, event: 'retry', text })
      return later.length
    })
  }

  remove(selection: Selection, now: number, limit: number): Promise<number> {
    return this.#act({ name: 'remove', selection, now, limit }, ({ message, recipients }) => {
      const { claims, events, messages } = this.#engine
      const idle = recipients.filter(([id, state]) => isWaiting(state) && !claims.has(id))
      for (const [id, , , , , recipient] of idle) {
        this.#remove(id)
        const text = 'removed by an operator'
        events.add(message.id, { at: now, event: 'removed', recipient, text })
      }
      const current = messages.find(message.id)
      if (current !== undefined) messages.takeAway(current, idle.length, now)
      return idle.length
    })
  }

  /** Goes on from where the same act stopped, until `limit` recipients or the end are reached. */
  async #act(
    request: {
      readonly name: string
      readonly selection: Selection
      readonly now: number
      readonly limit: number
    },
    apply: Apply,
  ): Promise<number> {
    const { selection, now, limit } = request
    const key = `${request.name} ${JSON.stringify(selection)}`
    const earlier = this.#acts.get(key)
    const goesOn = earlier !== undefined && Math.abs(now - earlier.at) < SAME_ACT_WITHIN
    let position: Position | undefined = goesOn ? earlier.position : startOf(selection, BEGINNING)
    let affected = 0
    while (position !== undefined && affected < limit) {
      const from: Position = position
      const most = limit - affected
      const slice = await this.#engine.group.write(() => this.#slice(from, selection, most, apply))
      affected += slice.affected
      position = slice.next
    }
    // At the end the next call begins anew, and finds nothing if nothing was missed.
    this.#remember(key, position && { position, at: now })
    return affected
  }

  #remember(key: string, act: Act | undefined): void {
    this.#acts.delete(key)
    if (act === undefined) return
    this.#acts.set(key, act)
    const [oldest] = this.#acts.keys()
    if (this.#acts.size > 100 && oldest !== undefined) this.#acts.delete(oldest)
  }

  #slice(
    from: Position,
    selection: Selection,
    most: number,
    apply: Apply,
  ): { readonly affected: number; readonly next?: Position } {
    const { stretches, next } = this.#step(from, {
      selection,
      oncePerMessage: false,
      mostRecipients: Math.min(most, MOST_ROWS),
      isEnough: (found) =>
        found.reduce((sum, { recipients }) => sum + recipients.length, 0) >= most,
    })
    const affected = stretches.reduce((sum, stretch) => sum + apply(stretch), 0)
    return { affected, ...(next === undefined ? {} : { next }) }
  }

  /** Walks until enough is found or enough has been looked at. */
  #step(from: Position, walk: Walk): Step {
    const { selection, isEnough } = walk
    // A text that is no queue id selects nothing, and above all not everything.
    const only =
      selection.queueId === undefined ? undefined : (parseQueueId(selection.queueId) ?? NO_MESSAGE)
    const matcher = matcherOf(selection)
    const stretches: Stretch[] = []
    let position = from
    let rows = 0
    while (rows < MOST_ROWS) {
      const page = this.#engine.messages.from(position.message, MESSAGES_AT_ONCE)
      if (page.length === 0) return { stretches }
      for (const message of page) {
        if (only !== undefined && message.id !== only) return { stretches }
        const { stretch, next, read } = this.#stretch(message, position, walk, matcher)
        rows += 1 + read
        if (stretch !== undefined) stretches.push(stretch)
        position = next
        if (isEnough(stretches) || rows >= MOST_ROWS) return { stretches, next }
        if (next.message === message.id) break
      }
    }
    return { stretches, next: position }
  }

  /** The next stretch of a message, and where to go on. */
  #stretch(
    message: MessageRow,
    position: Position,
    walk: Walk,
    matcher: Matcher,
  ): { readonly stretch?: Stretch; readonly next: Position; readonly read: number } {
    const past = { message: message.id + 1, recipient: 0 }
    if (!matcher.sender(message.stored.reversePath)) return { next: past, read: 0 }
    const anyWillDo = walk.oncePerMessage && !matcher.hasRecipientCondition
    const limit = anyWillDo ? 1 : walk.mostRecipients
    const begin = position.message === message.id ? position.recipient : 0
    const end = message.first + message.span
    const rows = this.#recipients.all(Math.max(begin, message.first), end, limit)
    const recipients = rows.filter((row) => matcher.recipient(row[5]))
    const last = rows.at(-1)?.[0]
    const isDone = rows.length < limit || last === undefined
    const goesOn = !isDone && !(walk.oncePerMessage && recipients.length > 0)
    return {
      ...(recipients.length === 0 ? {} : { stretch: { message, recipients } }),
      next: goesOn ? { message: message.id, recipient: last + 1 } : past,
      read: rows.length,
    }
  }

  #listed(row: MessageRow, most: number): ListedMessage {
    const { queueId, arrivedAt, size, reversePath } = row.stored
    const head = { queueId, arrivedAt, size, reversePath, recipientCount: row.remaining }
    const recipients = this.#recipients.all(row.first, row.first + row.span, most)
    return listed(
      head,
      recipients.map((columns) => this.#listedRecipient(columns)),
      most,
    )
  }

  #listedRecipient(columns: RecipientColumns): ListedRecipient {
    const [id, state, dueAt, attempts, lane, address, lastText] = columns
    return {
      address,
      lane,
      attempts,
      nextAttemptAt: dueAt,
      state: this.#stateOf(id, state),
      ...(lastText === null ? {} : { lastText }),
    }
  }

  #stateOf(id: number, state: number): ListedRecipient['state'] {
    if (state === RECIPIENT_STATE.held) return 'held'
    if (state === RECIPIENT_STATE.reportable) return 'failed'
    return this.#engine.claims.has(id) ? 'attempting' : 'waiting'
  }
}

function isWaiting(state: number): boolean {
  return state === RECIPIENT_STATE.waiting
}

function startOf(selection: Selection, position: Position): Position {
  if (selection.queueId === undefined || position.message > 0) return position
  return { message: parseQueueId(selection.queueId) ?? NO_MESSAGE, recipient: 0 }
}

function cursorOf({ message, recipient }: Position): string {
  return recipient === 0 ? formatQueueId(message - 1) : `${formatQueueId(message)}/${recipient}`
}

function positionOf(cursor: string | undefined): Position {
  const [queueId = '', recipient] = (cursor ?? '').split('/')
  const message = parseQueueId(queueId)
  if (message === undefined) return BEGINNING
  if (recipient === undefined) return { message: message + 1, recipient: 0 }
  const id = Number(recipient)
  return { message, recipient: Number.isSafeInteger(id) ? id : 0 }
}
