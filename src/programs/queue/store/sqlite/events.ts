/**
 * The stories of messages, and the keys under which they were accepted; purged together by age.
 */

import type { ListedEvent } from '../../../../contracts/control.ts'
import type { EventRecord } from '../store.ts'
import type { Command, Database, Query } from './database.ts'
import type { Tally } from './tally.ts'

type EventRow = [at: number, event: string, recipient: string | null, text: string]

export class Events {
  #tally: Tally
  #insert: Command
  #latest: Query<EventRow>
  #ended: Query<[message: number]>
  #deleteSome: Command
  #deleteKey: Command
  #keyed: Query<[message: number]>
  #insertKey: Command

  constructor(database: Database, tally: Tally) {
    this.#tally = tally
    this.#insert = database.command('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)')
    this.#latest = database.query(
      'SELECT at, event, recipient, text FROM event WHERE message = ? ORDER BY number DESC LIMIT +?',
    )
    this.#ended = database.query(
      "SELECT message FROM event WHERE event = 'ended' AND at < ? ORDER BY at LIMIT +?",
    )
    // 'ended' is a message's last event, so what remains of a long story is found again.
    this.#deleteSome = database.command(
      `DELETE FROM event WHERE message = ?1 AND number IN
       (SELECT number FROM event WHERE message = ?1 ORDER BY number LIMIT +?2)`,
    )
    this.#deleteKey = database.command('DELETE FROM idempotency WHERE message = ?')
    this.#keyed = database.query('SELECT message FROM idempotency WHERE key = ?')
    this.#insertKey = database.command('INSERT INTO idempotency VALUES (?, ?)')
  }

  add(message: number, event: EventRecord): void {
    const { at, recipient, text } = event
    this.#insert(message, this.#tally.takeEvent(), at, event.event, recipient ?? null, text)
  }

  of(message: number, limit: number): readonly ListedEvent[] {
    return [...this.#latest.all(message, limit)]
      .reverse()
      .map(([at, event, recipient, text]) =>
        recipient === null ? { at, event, text } : { at, event, recipient, text },
      )
  }

  messageOfKey(key: string): number | undefined {
    return this.#keyed.get(key)?.[0]
  }

  addKey(key: string, message: number): void {
    this.#insertKey(key, message)
  }

  /** At most `limit` events of messages that ended before `before`. */
  purge(before: number, limit: number): number {
    let purged = 0
    for (const [message] of this.#ended.all(before, limit)) {
      if (purged >= limit) break
      this.#deleteKey(message)
      purged += this.#deleteSome(message, limit - purged)
    }
    return purged
  }
}
