/**
 * Rows of messages and of their content, and a bounded memory of the latest of them, so that a
 * message that is delivered at once is never read back.
 */

import type { MessageTraits, Origin } from '../../../../contracts/submission.ts'
import type { Follower } from '../group-commit.ts'
import { formatQueueId } from '../queue-id.ts'
import { MESSAGE_STATE } from '../schema.ts'
import type { StoredMessage } from '../store.ts'
import type { Command, Database, Query } from './database.ts'
import type { Events } from './events.ts'
import type { Tally } from './tally.ts'

/** Where the bytes between prepended and appended ones are. */
export type Content =
  | { readonly kind: 'inline'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'filed'; readonly id: number }
  | { readonly kind: 'none' }

export interface Body {
  readonly prepend: Uint8Array
  readonly content: Content
  readonly append: Uint8Array
}

export interface MessageRow {
  readonly id: number
  readonly stored: StoredMessage
  /** 0: the message has none of its own. */
  readonly content: number
  readonly first: number
  readonly span: number
  readonly state: number
  /** Recipients whose rows are still there. */
  remaining: number
}

export interface NewMessage {
  readonly id: number
  readonly state: number
  readonly content: number
  readonly size: number
  readonly first: number
  readonly span: number
  readonly recipients: number
  readonly arrivedAt: number
  readonly reversePath: string
  readonly traits: MessageTraits
  readonly origin: Origin
  readonly prepend: Uint8Array
  readonly append: Uint8Array
}

type Columns = [
  id: number,
  state: number,
  content: number,
  size: number,
  first: number,
  span: number,
  remaining: number,
  arrivedAt: number,
  reversePath: string,
  details: string,
]
const COLUMNS =
  'id, state, content, size, first, span, remaining, arrived_at, reverse_path, details'

interface Remembered {
  readonly row: MessageRow
  readonly body: Body | undefined
}
const MOST_REMEMBERED = 4_096
const MOST_REMEMBERED_BYTES = 33_554_432
/** A row in memory, beside its body. */
const ROW_BYTES = 500

export class Messages implements Follower {
  /** Told of content files that nothing uses any more. */
  onUnused: (content: number) => void = () => {}

  #tally: Tally
  #events: Events
  #remembered = new Map<number, Remembered>()
  #rememberedBytes = 0
  #insert: Command
  #select: Query<Columns>
  #after: Query<Columns>
  #body: Query<[Uint8Array, Uint8Array, number, number | null, Uint8Array | null]>
  #remain: Command
  #delete: Command
  #insertContent: Command
  #useFile: Command
  #useContent: Command
  #deleteContent: Command
  #leaveContent: Query<[refs: number, filed: number]>

  constructor(database: Database, tally: Tally, events: Events) {
    this.#tally = tally
    this.#events = events
    this.#insert = database.command(
      `INSERT OR REPLACE INTO message (${COLUMNS}, unspread, prepend, append)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#select = database.query(`SELECT ${COLUMNS} FROM message WHERE id = ? AND state > 0`)
    this.#after = database.query(
      `SELECT ${COLUMNS} FROM message WHERE id >= ? AND state > 0 ORDER BY id LIMIT +?`,
    )
    this.#body = database.query(
      `SELECT m.prepend, m.append, m.content, c.filed, c.body
       FROM message m LEFT JOIN content c ON c.id = m.content WHERE m.id = ?`,
    )
    this.#remain = database.command('UPDATE message SET remaining = ? WHERE id = ?')
    this.#delete = database.command('DELETE FROM message WHERE id = ?')
    this.#insertContent = database.command('INSERT INTO content VALUES (?, ?, ?, ?, ?)')
    this.#useFile = database.command('UPDATE content SET refs = 1, size = ? WHERE id = ?')
    this.#useContent = database.command('UPDATE content SET refs = refs + 1 WHERE id = ?')
    this.#deleteContent = database.command(
      'DELETE FROM content WHERE id = ? AND refs = 1 AND filed = 0',
    )
    this.#leaveContent = database.query(
      'UPDATE content SET refs = refs - 1 WHERE id = ? RETURNING refs, filed',
    )
  }

  addContent(id: number, bytes: Uint8Array): void {
    this.#insertContent(id, 1, 0, bytes.length, bytes)
  }

  /** The row of a file that is about to be written: in use by nobody yet. */
  addFile(id: number): void {
    this.#insertContent(id, 0, 1, 0, null)
  }

  /** The file is complete, synced, and a message uses it. */
  useFile(id: number, size: number): void {
    this.#useFile(size, id)
  }

  /** One more message uses it. */
  useContent(id: number): void {
    this.#useContent(id)
  }

  insert(message: NewMessage, body: Body): void {
    const { id, state, content, size, first, span, recipients, arrivedAt, reversePath } = message
    const { traits, origin, prepend, append } = message
    const details = detailsText(traits, origin)
    this.#insert(
      id,
      state,
      content,
      size,
      first,
      span,
      recipients,
      arrivedAt,
      reversePath,
      details,
      first,
      prepend,
      append,
    )
    const queueId = formatQueueId(id)
    const stored = { queueId, reversePath, arrivedAt, size, origin, ...traits }
    const row = { id, stored, content, first, span, state, remaining: recipients }
    if (state === MESSAGE_STATE.live) this.#remember({ row, body })
  }

  find(id: number): MessageRow | undefined {
    const remembered = this.#remembered.get(id)
    if (remembered !== undefined) return remembered.row
    const columns = this.#select.get(id)
    if (columns === undefined) return undefined
    const row = rowOf(columns)
    if (row.state === MESSAGE_STATE.live) this.#remember({ row, body: undefined })
    return row
  }

  /** Messages from number `id` on. */
  from(id: number, limit: number): readonly MessageRow[] {
    return this.#after.all(id, limit).map(rowOf)
  }

  body(id: number): Body | undefined {
    const remembered = this.#remembered.get(id)?.body
    if (remembered !== undefined) return remembered
    const found = this.#body.get(id)
    if (found === undefined) return undefined
    const [prepend, append, contentId, filed, bytes] = found
    if (filed === 1) return { prepend, content: { kind: 'filed', id: contentId }, append }
    const none = { kind: 'none' } as const
    const content = bytes === null ? none : ({ kind: 'inline', id: contentId, bytes } as const)
    return { prepend, content, append }
  }

  /** `count` of its recipients are gone. Answers whether the message has ended with them. */
  takeAway(row: MessageRow, count: number, now: number): boolean {
    if (count === 0) return false
    this.#tally.add({ recipients: -count })
    row.remaining -= count
    if (row.remaining > 0) {
      this.#remain(row.remaining, row.id)
      return false
    }
    this.#end(row, now)
    return true
  }

  #end(row: MessageRow, now: number): void {
    this.#delete(row.id)
    this.forget(row.id)
    this.#tally.add({ messages: -1 })
    this.#events.add(row.id, { at: now, event: 'ended', text: '' })
    if (row.content !== 0) this.#leave(row.content)
  }

  #leave(content: number): void {
    if (this.#deleteContent(content) === 1) return
    const left = this.#leaveContent.get(content)
    if (left !== undefined && left[0] === 0 && left[1] === 1) this.onUnused(content)
  }

  #remember(entry: Remembered): void {
    this.forget(entry.row.id)
    this.#remembered.set(entry.row.id, entry)
    this.#rememberedBytes += bytesOf(entry)
    for (const [id] of this.#remembered) {
      const { size } = this.#remembered
      if (size <= MOST_REMEMBERED && this.#rememberedBytes <= MOST_REMEMBERED_BYTES) break
      this.forget(id)
    }
  }

  forget(id: number): void {
    const entry = this.#remembered.get(id)
    if (entry === undefined) return
    this.#remembered.delete(id)
    this.#rememberedBytes -= bytesOf(entry)
  }

  rolledBack(): void {
    this.#remembered.clear()
    this.#rememberedBytes = 0
  }
}

function bytesOf({ body }: Remembered): number {
  if (body === undefined) return ROW_BYTES
  const content = body.content.kind === 'inline' ? body.content.bytes.length : 0
  return ROW_BYTES + body.prepend.length + body.append.length + content
}

interface Details extends MessageTraits {
  readonly origin: Origin
}

function detailsText(traits: MessageTraits, origin: Origin): string {
  return JSON.stringify({ ...traits, origin } satisfies Details)
}

function rowOf(columns: Columns): MessageRow {
  const [id, state, content, size, first, span, remaining, arrivedAt, reversePath] = columns
  const details = JSON.parse(columns[9]) as Details
  const stored = { queueId: formatQueueId(id), reversePath, arrivedAt, size, ...details }
  return { id, stored, content, first, span, state, remaining }
}

/** Only what the contract names, whatever else the caller's record carries. */
export function traitsOf(traits: MessageTraits): MessageTraits {
  const { body, smtputf8, ret, envelopeId } = traits
  return {
    body,
    smtputf8,
    ...(ret === undefined ? {} : { ret }),
    ...(envelopeId === undefined ? {} : { envelopeId }),
  }
}
