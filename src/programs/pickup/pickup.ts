/**
 * Empties the drop directory: finds files, takes a bounded number of them at once, retries.
 *
 *     found → judged → backlog → taken → accepted or returned: removed
 *                                      → deferred: postponed, found again later
 *
 * Each file is postponed by itself, for longer each time. Only while the queue takes nothing from anybody
 * (its disk is full, it is going down) new files wait as well: the pause doubles with each such answer in
 * a row and ends with the first success. Nothing about one file makes others wait. Whatever is forgotten
 * for lack of room is found again by the next scan, so no list here need hold everything.
 */

import type { Clock } from '../../io/clock.ts'
import type { Log } from '../../io/log.ts'
import { Backlog } from './backlog.ts'
import type { DropDirectory, OpenedFile } from './drop-directory.ts'
import { judge } from './judge.ts'
import { Reporter } from './reporter.ts'
import type { Taken } from './take.ts'

export interface PickupOptions {
  readonly directory: DropDirectory
  readonly own: { readonly gid: number }
  readonly clock: Clock
  readonly log: Log
  readonly filesPerUser: number
  readonly take: (file: OpenedFile) => Promise<Taken>
}

const TAKEN_AT_ONCE = 40
/** So that one user's large messages leave room for another's. */
const TAKEN_OF_ONE_USER = 30
const SCAN_EVERY = 60_000
const SCAN_AGAIN_AFTER = 1_000
const LONGEST_PAUSE = 60_000
const FIRST_PAUSE = 1_000
const LONGEST_POSTPONEMENT = 1_800_000
const MOST_NOTICED = 2_000
const MOST_POSTPONED = 10_000

interface Postponed {
  readonly until: number
  readonly times: number
}

export class Pickup {
  readonly #options: PickupOptions
  readonly #backlog: Backlog
  readonly #reporter: Reporter
  /** Names that something has happened to and that nobody has looked at since. */
  readonly #noticed = new Set<string>()
  /** By name, the uid. */
  readonly #active = new Map<string, number>()
  readonly #postponed = new Map<string, Postponed>()
  #looking: Promise<void> | undefined
  #scanWanted = true
  #pausedUntil = 0
  #deferrals = 0
  #finishing = false
  #whenIdle: (() => void) | undefined

  constructor(options: PickupOptions) {
    this.#options = options
    const limits = { perUser: options.filesPerUser, inTurn: 20_000, later: 50_000 }
    this.#backlog = new Backlog(limits)
    this.#reporter = new Reporter(options.log, options.clock)
  }

  /** Begins with a scan. Answers how to stop watching. */
  start(): () => void {
    const watcher = this.#options.directory.watch((name) => this.notice(name))
    this.#scanEvery()
    this.#look()
    return () => watcher.close()
  }

  /** Something has happened to this file, or to one that is not known. */
  notice(name: string | undefined): void {
    if (name === undefined || this.#noticed.size >= MOST_NOTICED) this.#scanWanted = true
    else this.#noticed.add(name)
    this.#look()
  }

  /** Takes nothing more; resolves once nothing is being taken. */
  finish(): Promise<void> {
    this.#finishing = true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenIdle = resolve
    if (this.#active.size === 0) resolve()
    return promise
  }

  #scanEvery(): void {
    this.#options.clock.after(SCAN_EVERY, () => {
      this.notice(undefined)
      this.#scanEvery()
    })
  }

  /** One file at a time is looked at, however many notices come. */
  #look(): void {
    if (this.#looking !== undefined || this.#finishing) return
    this.#looking = this.#lookAtAll().finally(() => {
      this.#looking = undefined
      if (this.#noticed.size > 0) this.#look()
    })
  }

  async #lookAtAll(): Promise<void> {
    while (!this.#finishing && (this.#noticed.size > 0 || this.#scanWanted)) {
      for (const name of this.#noticed) {
        this.#noticed.delete(name)
        await this.#consider(name)
      }
      if (this.#scanWanted) await this.#scan()
    }
  }

  async #scan(): Promise<void> {
    this.#scanWanted = false
    this.#backlog.incomplete = false
    try {
      for await (const name of this.#options.directory.names()) await this.#consider(name)
    } catch (error) {
      const why = (error as Error).message
      this.#options.log.write({ event: 'drop-directory-unreadable', fields: { why } })
    }
  }

  async #consider(name: string): Promise<void> {
    const { directory, own, clock } = this.#options
    const now = clock.now()
    if (this.#active.has(name) || (this.#postponed.get(name)?.until ?? 0) > now) return
    const seen = await directory.look(name)
    if (seen === undefined) {
      this.#postponed.delete(name)
      return
    }
    const judgement = judge(seen.status, own, now)
    if (judgement.kind === 'foreign') await this.#turnAway(name, seen.uid, judgement)
    if (judgement.kind !== 'message' || this.#active.has(name)) return
    this.#backlog.offer({ name, uid: seen.uid })
    this.#takeMore()
  }

  #takeMore(): void {
    const { clock } = this.#options
    if (this.#finishing || clock.now() < this.#pausedUntil) return
    while (this.#active.size < TAKEN_AT_ONCE) {
      const entry = this.#backlog.next((uid) => this.#activeOf(uid) < TAKEN_OF_ONE_USER)
      if (entry === undefined) break
      this.#active.set(entry.name, entry.uid)
      void this.#takeOne(entry.name, entry.uid)
    }
    if (this.#backlog.incomplete && this.#backlog.size === 0 && this.#active.size === 0) {
      this.#backlog.incomplete = false
      clock.after(SCAN_AGAIN_AFTER, () => this.notice(undefined))
    }
  }

  #activeOf(uid: number): number {
    let count = 0
    for (const other of this.#active.values()) if (other === uid) count += 1
    return count
  }

  async #takeOne(name: string, uid: number): Promise<void> {
    try {
      await this.#takeFile(name, uid)
    } catch (error) {
      this.#postpone(name, (error as Error).message)
    }
    this.#active.delete(name)
    if (this.#active.size === 0) this.#whenIdle?.()
    this.#takeMore()
  }

  async #takeFile(name: string, uid: number): Promise<void> {
    const { directory, own, clock } = this.#options
    const file = await directory.open(name)
    if (file === undefined) return
    if (typeof file === 'string') return this.#turnAway(name, uid, { why: file, remove: false })
    let taken: Taken | undefined
    try {
      const judgement = judge(file.status, own, clock.now())
      if (judgement.kind === 'foreign') return await this.#turnAway(name, file.uid, judgement)
      if (judgement.kind === 'unfinished') return
      taken = await this.#options.take(file)
    } finally {
      await file.handle.close()
    }
    await this.#settle(name, file, taken)
  }

  async #settle(name: string, file: OpenedFile, taken: Taken): Promise<void> {
    if (taken.kind === 'foreign') return this.#turnAway(name, file.uid, taken)
    if (taken.kind === 'deferred') {
      this.#postpone(name, taken.why)
      if (taken.everybody) this.#pause()
      return
    }
    this.#deferrals = 0
    this.#pausedUntil = 0
    this.#postponed.delete(name)
    const { queueId } = taken
    const { uid, size } = file
    const fields =
      taken.kind === 'accepted' ? { uid, from: taken.sender, size } : { uid, size, why: taken.why }
    const event = taken.kind === 'accepted' ? 'taken' : 'returned-to-user'
    this.#options.log.write({ event, queueId, fields })
    const problem = await this.#options.directory.remove(name)
    // It is in the queue, which will know it again by its key; removing it is tried again.
    if (problem !== undefined) this.#postpone(name, problem)
  }

  async #turnAway(
    name: string,
    uid: number,
    { why, remove }: { readonly why: string; readonly remove: boolean },
  ): Promise<void> {
    const problem = remove ? await this.#options.directory.remove(name) : undefined
    const removed = remove && problem === undefined
    this.#reporter.report(name, {
      uid,
      why: problem === undefined ? why : `${why}; ${problem}`,
      removed,
    })
  }

  #postpone(name: string, why: string): void {
    const { clock, log } = this.#options
    const times = (this.#postponed.get(name)?.times ?? 0) + 1
    const wait = Math.min(LONGEST_POSTPONEMENT, FIRST_PAUSE * 2 ** Math.min(times, 20))
    this.#makeRoom(name)
    this.#postponed.set(name, { until: clock.now() + wait, times })
    log.write({ event: 'left-for-later', fields: { name, why, retryInSeconds: wait / 1_000 } })
    clock.after(wait, () => this.notice(name))
  }

  /** The oldest is forgotten, and so found again by the next scan. */
  #makeRoom(name: string): void {
    this.#postponed.delete(name)
    const [oldest] = this.#postponed.keys()
    if (oldest !== undefined && this.#postponed.size >= MOST_POSTPONED) {
      this.#postponed.delete(oldest)
    }
  }

  #pause(): void {
    const { clock } = this.#options
    if (clock.now() < this.#pausedUntil) return
    const wait = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#deferrals, 10))
    this.#deferrals += 1
    this.#pausedUntil = clock.now() + wait
    clock.after(wait, () => this.#takeMore())
  }
}
