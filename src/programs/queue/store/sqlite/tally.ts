/**
 * Counts of the queue and the next free numbers: one row, in the transactions that change them.
 *
 * So a restart counts nothing, `counts` reads nothing, and no number is ever given out twice.
 */

import type { Follower } from '../group-commit.ts'
import type { QueueIdMark } from '../queue-id.ts'
import type { Command, Database } from './database.ts'
import { faultOf } from './database.ts'

interface Figures {
  messages: number
  recipients: number
  held: number
  nextRecipient: number
  nextEvent: number
  mark: number
}

export class Tally implements Follower, QueueIdMark {
  #now: Figures
  #committed: Figures
  #update: Command
  #raise: Command
  /** Called in every commit: where the mark of the queue ids should be. */
  wantedMark: () => number = () => this.#now.mark
  /** Called when the mark could not be written. */
  failed: (error: unknown) => void = () => {}

  constructor(database: Database) {
    const row = database
      .query<[number, number, number, number, number, number]>(
        'SELECT messages, recipients, held, next_recipient, next_event, queue_id_mark FROM tally',
      )
      .get()
    if (row === undefined) throw new Error('the queue database has lost its tally')
    const [messages, recipients, held, nextRecipient, nextEvent, mark] = row
    this.#now = { messages, recipients, held, nextRecipient, nextEvent, mark }
    this.#committed = { ...this.#now }
    this.#update = database.command(
      `UPDATE tally SET messages = ?, recipients = ?, held = ?, next_recipient = ?, next_event = ?,
       queue_id_mark = ?`,
    )
    this.#raise = database.command('UPDATE tally SET queue_id_mark = ?')
  }

  get counted(): Readonly<Figures> {
    return this.#now
  }

  get mark(): number {
    return this.#now.mark
  }

  /**
   * Outside of any transaction. On failure the store stops, and the mark is moot; unless the disk is
   * full: whatever uses a number is committed with the mark beside it, and until then nobody has it.
   */
  raise(mark: number): void {
    this.#now.mark = mark
    try {
      this.#raise(mark)
      this.#committed.mark = mark
    } catch (error) {
      if (faultOf(error) !== 'full') this.failed(error)
    }
  }

  /** The first of `count` successive recipient ids. */
  takeRecipients(count: number): number {
    const first = this.#now.nextRecipient
    this.#now.nextRecipient += count
    return first
  }

  takeEvent(): number {
    return this.#now.nextEvent++
  }

  add(change: { readonly messages?: number; readonly recipients?: number }): void {
    this.#now.messages += change.messages ?? 0
    this.#now.recipients += change.recipients ?? 0
  }

  beforeCommit(): void {
    const now = this.#now
    now.mark = this.wantedMark()
    if (isSame(now, this.#committed)) return
    const { messages, recipients, held, nextRecipient, nextEvent, mark } = now
    this.#update(messages, recipients, held, nextRecipient, nextEvent, mark)
  }

  committed(): void {
    Object.assign(this.#committed, this.#now)
  }

  rolledBack(): void {
    Object.assign(this.#now, this.#committed)
  }
}

function isSame(a: Figures, b: Figures): boolean {
  return (
    a.nextEvent === b.nextEvent &&
    a.nextRecipient === b.nextRecipient &&
    a.messages === b.messages &&
    a.recipients === b.recipients &&
    a.held === b.held &&
    a.mark === b.mark
  )
}
