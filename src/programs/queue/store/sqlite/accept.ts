/**
 * How a message comes into being: its rows, its events, its place in the lanes.
 *
 * `accept` makes a message of a few recipients real in the caller's transaction. Of many, the
 * recipients are staged before, in transactions of at most STEP rows and in a state nobody can
 * claim; one row then makes the message real, and `spread` lets its recipients wait, step by step.
 * A crash before that row leaves rows for recovery to remove; a crash after it, for recovery to
 * spread.
 */

import type { MessageTraits, Origin } from '../../../../contracts/submission.ts'
import { MESSAGE_STATE, RECIPIENT_STATE } from '../schema.ts'
import type { RoutedRecipient } from '../store.ts'
import { acceptedText } from '../wording.ts'
import type { Command, Query } from './database.ts'
import type { Engine } from './engine.ts'
import type { Body, Content } from './messages.ts'
import { traitsOf } from './messages.ts'

/** Rows of recipients in one transaction. */
export const STEP = 1_000
/** Ids set aside for a message whose recipients are staged: more than it can have. */
export const LARGE_SPAN = 1_048_576

export interface Acceptance {
  readonly id: number
  readonly reversePath: string
  readonly traits: MessageTraits
  readonly origin: Origin
  readonly prepend: Uint8Array
  readonly content: Content
  readonly contentSize: number
  readonly append: Uint8Array
  readonly now: number
}

export interface Staged {
  readonly first: number
  readonly count: number
}

export class Accepting {
  #engine: Engine
  #insertRecipient: Command
  #stageMessage: Command
  #publish: Command
  #lanesOf: Query<[lane: string]>
  #progress: Command
  #unspread: Query<[state: number, unspread: number, first: number, span: number, at: number]>
  #nextId: Query<[id: number]>

  constructor(engine: Engine) {
    this.#engine = engine
    const { database } = engine
    this.#insertRecipient = database.command(
      `INSERT INTO recipient (id, message, state, large, due_at, attempts, lane, address, original, notify)
       VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    )
    this.#stageMessage = database.command(
      `INSERT INTO message VALUES (?, ${MESSAGE_STATE.arriving}, 0, 0, ?, ?, 0, 0, 0, '', '', x'', x'')`,
    )
    this.#publish = database.command(
      `UPDATE recipient SET state = ${RECIPIENT_STATE.waiting}, due_at = ?
       WHERE id >= ? AND id < ? AND state = ${RECIPIENT_STATE.arriving}`,
    )
    this.#lanesOf = database.query(
      'SELECT DISTINCT lane FROM recipient WHERE id >= ? AND id < ? AND state = 0',
    )
    this.#progress = database.command('UPDATE message SET state = ?, unspread = ? WHERE id = ?')
    this.#unspread = database.query(
      'SELECT state, unspread, first, span, arrived_at FROM message WHERE id = ?',
    )
    this.#nextId = database.query(
      'SELECT id FROM recipient WHERE id >= ? AND id < ? ORDER BY id LIMIT 1',
    )
  }

  /** In a write: queues a message with these recipients. */
  accept(acceptance: Acceptance, recipients: readonly RoutedRecipient[]): void {
    const first = this.#engine.tally.takeRecipients(recipients.length)
    this.#add(acceptance, { first, count: recipients.length }, MESSAGE_STATE.live)
    let id = first
    for (const recipient of recipients) {
      this.#insert({ id: id++, message: acceptance.id, large: 0 }, recipient, acceptance.now)
      this.#engine.lanes.lower(recipient.lane, acceptance.now)
    }
  }

  /** In a write: as `accept`, for recipients that were staged. `spread` has to follow. */
  acceptStaged(acceptance: Acceptance, staged: Staged): void {
    this.#add(acceptance, staged, MESSAGE_STATE.spreading)
  }

  /** In a write: sets ids aside. Answers the first. */
  beginStaging(message: number): number {
    const first = this.#engine.tally.takeRecipients(LARGE_SPAN)
    this.#stageMessage(message, first, LARGE_SPAN)
    return first
  }

  /** In a write, at most STEP of them. */
  stage(message: number, from: number, recipients: readonly RoutedRecipient[]): void {
    let id = from
    for (const recipient of recipients) this.#insert({ id: id++, message, large: 1 }, recipient)
  }

  /** In a write: lets some staged recipients wait. Answers whether there are more. */
  spread(message: number): boolean {
    const [state, unspread, first, span, at] = this.#unspread.get(message) ?? [2, 0, 0, 0, 0]
    if (state !== MESSAGE_STATE.spreading) return false
    const end = unspread + STEP
    this.#publish(at, unspread, end)
    for (const [lane] of this.#lanesOf.all(unspread, end)) this.#engine.lanes.lower(lane, at)
    const more = this.#nextId.get(end, first + span) !== undefined
    this.#progress(more ? MESSAGE_STATE.spreading : MESSAGE_STATE.live, end, message)
    return more
  }

  #add(acceptance: Acceptance, staged: Staged, state: number): void {
    const { id, reversePath, origin, prepend, content, contentSize, append, now } = acceptance
    if (staged.count === 0) throw new Error('a message without recipients')
    const { events, messages, tally } = this.#engine
    const size = prepend.length + contentSize + append.length
    const body: Body = { prepend, content, append }
    const isLarge = state !== MESSAGE_STATE.live
    messages.insert(
      {
        id,
        state,
        size,
        reversePath,
        origin,
        prepend,
        append,
        content: content.kind === 'none' ? 0 : content.id,
        first: staged.first,
        span: isLarge ? LARGE_SPAN : staged.count,
        recipients: staged.count,
        arrivedAt: now,
        traits: traitsOf(acceptance.traits),
      },
      body,
    )
    const text = acceptedText({ reversePath, size, recipients: staged.count, origin })
    events.add(id, { at: now, event: 'accepted', text })
    tally.add({ messages: 1, recipients: staged.count })
  }

  #insert(
    row: { readonly id: number; readonly message: number; readonly large: 0 | 1 },
    { lane, address, originalRecipient, notify }: RoutedRecipient,
    dueAt = 0,
  ): void {
    const state = row.large === 1 ? RECIPIENT_STATE.arriving : RECIPIENT_STATE.waiting
    this.#insertRecipient(
      row.id,
      row.message,
      state,
      row.large,
      dueAt,
      lane,
      address,
      originalRecipient ?? null,
      notify?.join(',') ?? null,
    )
  }
}
