/**
 * Takes away what nobody uses: content files after their last message, and all that a message left
 * behind which never became real.
 *
 * Files go after the transaction that stopped using them has been synced, and their rows after the
 * files; at any crash the row is still there to say so.
 */

import type { Follower } from '../group-commit.ts'
import { MESSAGE_STATE } from '../schema.ts'
import type { Accepting } from './accept.ts'
import { STEP } from './accept.ts'
import type { Command, Query } from './database.ts'
import type { Engine } from './engine.ts'

export class Removing implements Follower {
  #engine: Engine
  #accepting: Accepting
  /** No message uses them once the transaction that runs has been synced. */
  #leaving: number[] = []
  #running = new Set<Promise<void>>()
  /** Messages of this process whose recipients do not all wait yet, for want of room. */
  readonly #unspread = new Set<number>()
  #unused: Query<[id: number]>
  #unusedBelow: Query<[id: number]>
  #forgetFile: Command
  #staged: Query<[first: number, span: number]>
  #unstage: Command
  #forgetMessage: Command
  #unfinished: Query<[id: number]>

  constructor(engine: Engine, accepting: Accepting) {
    this.#engine = engine
    this.#accepting = accepting
    const { database } = engine
    this.#unused = database.query('SELECT id FROM content WHERE refs = 0 AND id = ?')
    this.#unusedBelow = database.query(
      'SELECT id FROM content WHERE refs = 0 AND id < ? ORDER BY id LIMIT +?',
    )
    this.#forgetFile = database.command('DELETE FROM content WHERE id = ? AND refs = 0')
    this.#staged = database.query(
      `SELECT first, span FROM message WHERE id = ? AND state = ${MESSAGE_STATE.arriving}`,
    )
    this.#unstage = database.command(
      `DELETE FROM recipient WHERE id IN
       (SELECT id FROM recipient WHERE id >= ? AND id < ? ORDER BY id LIMIT +?)`,
    )
    this.#forgetMessage = database.command('DELETE FROM message WHERE id = ?')
    this.#unfinished = database.query(
      'SELECT id FROM message WHERE state = ? AND id < ? ORDER BY id LIMIT 1',
    )
    engine.messages.onUnused = (content) => this.#leaving.push(content)
    engine.group.follow(this)
  }

  /** Files whose rows say that nobody uses them. */
  async removeFiles(ids: readonly number[]): Promise<void> {
    const { group, files } = this.#engine
    const unused = await group.read(() => ids.filter((id) => this.#unused.get(id) !== undefined))
    if (unused.length === 0) return
    await files.remove(unused)
    await group.write(() => {
      for (const id of unused) this.#forgetFile(id)
    })
  }

  /** Staged recipients of a message that is not to be, and last its row. Answers how many. */
  removeStaged(message: number, limit: number): Promise<number> {
    return this.#engine.group.write(() => {
      const staged = this.#staged.get(message)
      if (staged === undefined) return 0
      const [first, span] = staged
      const removed = this.#unstage(first, first + span, limit)
      return removed === 0 ? this.#forgetMessage(message) : removed
    })
  }

  /** A message that has been queued, the rest of which found no room. */
  spreadLater(message: number): void {
    this.#unspread.add(message)
  }

  /** One slice of what earlier processes left unfinished, or this one for want of room. */
  async recover(limit: number): Promise<number> {
    const { group, firstNumber } = this.#engine
    const below = firstNumber
    const files = await group.read(() => this.#unusedBelow.all(below, limit).map(([id]) => id))
    if (files.length > 0) {
      await this.removeFiles(files)
      return files.length
    }
    const [arriving] = await group.read(
      () => this.#unfinished.get(MESSAGE_STATE.arriving, below) ?? [],
    )
    if (arriving !== undefined) return this.removeStaged(arriving, limit)
    return this.#spreadSome(below)
  }

  async #spreadSome(below: number): Promise<number> {
    const [own] = this.#unspread
    const spread = await this.#engine.group.write(() => {
      const id = this.#unfinished.get(MESSAGE_STATE.spreading, below)?.[0] ?? own
      return id === undefined ? undefined : { id, more: this.#accepting.spread(id) }
    })
    if (spread?.more === false) this.#unspread.delete(spread.id)
    return spread === undefined ? 0 : STEP
  }

  committed(): void {
    if (this.#leaving.length === 0) return
    const files = this.#leaving
    this.#leaving = []
    const task: Promise<void> = this.removeFiles(files)
      .catch(() => {}) // Their rows say what is to be done: the next recovery does it.
      .finally(() => this.#running.delete(task))
    this.#running.add(task)
  }

  rolledBack(): void {
    this.#leaving = []
  }

  /** Resolves when no file is being removed. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
