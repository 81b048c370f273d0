/**
 * Which lanes have somebody due, without looking at those who wait.
 *
 * The table holds for each lane a time that is never later than its first waiting recipient. What
 * makes somebody due earlier lowers it in the same transaction. Nothing raises it at once: `due`
 * sees where it was too early, and the next transaction that writes anyway corrects it.
 */

import type { Follower } from '../group-commit.ts'
import type { LaneDue } from '../store.ts'
import type { Claims } from './claims.ts'
import type { Command, Database, Query } from './database.ts'

const MOST_REMEMBERED = 10_000
/** Corrections in one transaction. */
const MOST_CORRECTED = 200
/** Lanes looked at in one step of `due` and `nextAfter`. */
const PAGE = 200
const FEW = 20
/** Where more lanes are due than can be looked at, the answer is early rather than late. */
const SOON = 1_000

export class Lanes implements Follower {
  #claims: Claims
  /** What the table says of the lanes used last. */
  #nextDue = new Map<string, number>()
  #early = new Set<string>()
  #read: Query<[nextDue: number]>
  #write: Command
  #delete: Command
  #dueFrom: Query<[name: string, nextDue: number]>
  #firstDue: Query<[dueAt: number]>
  #nextLanes: Query<[name: string, nextDue: number]>
  #firstDueAfter: Query<[dueAt: number]>
  #nextInDueLanes: Query<[dueAt: number | null, lanes: number]>

  constructor(database: Database, claims: Claims) {
    this.#claims = claims
    this.#read = database.query('SELECT next_due FROM lane WHERE name = ?')
    this.#write = database.command('INSERT OR REPLACE INTO lane VALUES (?, ?)')
    this.#delete = database.command('DELETE FROM lane WHERE name = ?')
    this.#dueFrom = database.query(
      `SELECT name, next_due FROM lane WHERE next_due <= ?1 AND (next_due, name) > (?2, ?3)
       ORDER BY next_due, name LIMIT ${PAGE}`,
    )
    this.#firstDue = database.query(
      'SELECT due_at FROM recipient WHERE state = 0 AND lane = ? ORDER BY due_at LIMIT 1',
    )
    this.#nextLanes = database.query(
      `SELECT name, next_due FROM lane WHERE next_due > ? ORDER BY next_due LIMIT ${FEW}`,
    )
    this.#firstDueAfter = database.query(
      `SELECT due_at FROM recipient WHERE state = 0 AND lane = ? AND due_at > ?
       ORDER BY due_at LIMIT 1`,
    )
    this.#nextInDueLanes = database.query(
      `SELECT min((SELECT due_at FROM recipient WHERE state = 0 AND lane = l.name AND due_at > ?1
                   ORDER BY due_at LIMIT 1)), count(*)
       FROM (SELECT name FROM lane WHERE next_due <= ?1 ORDER BY next_due LIMIT ${PAGE}) l`,
    )
  }

  /** Somebody in this lane is due at `at`. Part of the transaction that makes it so. */
  lower(name: string, at: number): void {
    const known = this.#nextDue.get(name) ?? this.#read.get(name)?.[0]
    if (known !== undefined && known <= at) {
      this.#remember(name, known)
      return
    }
    this.#write(name, at)
    this.#remember(name, at)
  }

  due(now: number, limit: number): readonly LaneDue[] {
    const found: LaneDue[] = []
    let last: readonly [string, number] = ['', -1]
    while (found.length < limit) {
      const page = this.#dueFrom.all(now, last[1], last[0])
      for (const [lane] of page) {
        const dueAt = this.#claims.firstDue(lane, now)
        if (dueAt !== undefined) found.push({ lane, dueAt })
        else if (!this.#claims.hasLane(lane)) this.#early.add(lane)
        if (found.length === limit) break
      }
      last = page.at(-1) ?? last
      if (page.length < PAGE) break
    }
    return found
  }

  nextAfter(now: number): number | undefined {
    const [nextInDue, dueLanes] = this.#nextInDueLanes.get(now) ?? [null, 0]
    const soon = dueLanes === PAGE ? now + SOON : null
    const times = [this.#nextOfLaterLanes(now), nextInDue, soon].filter(
      (time) => time !== undefined && time !== null,
    )
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Of the lanes nobody is due in: the first time that is still true. */
  #nextOfLaterLanes(now: number): number | undefined {
    const lanes = this.#nextLanes.all(now)
    let next: number | undefined
    for (const [name, nextDue] of lanes) {
      if (next !== undefined && nextDue >= next) return next
      const first = this.#firstDueAfter.get(name, now)?.[0]
      if (first !== nextDue) this.#early.add(name)
      if (first !== undefined) next = Math.min(first, next ?? first)
    }
    const last = lanes.length === FEW ? lanes.at(-1)?.[1] : undefined
    return last === undefined ? next : Math.min(last, next ?? last)
  }

  beforeCommit(): void {
    let corrected = 0
    for (const name of this.#early) {
      if (corrected++ === MOST_CORRECTED) break
      this.#correct(name)
      this.#early.delete(name)
    }
  }

  #correct(name: string): void {
    const first = this.#firstDue.get(name)?.[0]
    if (first === undefined) {
      this.#delete(name)
      this.#nextDue.delete(name)
    } else if (first !== this.#nextDue.get(name)) {
      this.#write(name, first)
      this.#remember(name, first)
    }
  }

  #remember(name: string, nextDue: number): void {
    this.#nextDue.delete(name)
    this.#nextDue.set(name, nextDue)
    if (this.#nextDue.size <= MOST_REMEMBERED) return
    const [oldest] = this.#nextDue.keys()
    if (oldest !== undefined) this.#nextDue.delete(oldest)
  }

  rolledBack(): void {
    this.#nextDue.clear()
  }
}
