/**
 * Group commit: all requests of one turn of the event loop in one transaction, one fsync.
 *
 * Requests are synchronous functions. Those that gathered while the loop was elsewhere run in the
 * order they came, then one COMMIT, then all promises resolve. Should one throw for reasons of its
 * own, the transaction is rolled back and run again without it, so it takes no neighbour along;
 * this costs nothing until it happens, where a savepoint for each would cost every time. A request
 * may therefore run twice and must change memory only through followers, which are told.
 *
 * On a full disk, whether a statement or COMMIT says so, nothing of the transaction is there once it
 * has been rolled back, and the store goes on: new mail is refused (StoreFull) so that the rest may
 * fit; then room is made and the rest tried again; then it is refused too. Reading always goes on.
 * If COMMIT fails for any other reason, the store has stopped: whether the log reached the disk is
 * unknown, and an fsync is never tried again and then believed.
 */

import type { Database } from './sqlite/database.ts'
import { faultOf } from './sqlite/database.ts'
import { StoreFailure, StoreFull } from './store.ts'

/** Memory that follows the transaction. */
export interface Follower {
  /** Inside the transaction, after its last request; only if one of them may have written. */
  beforeCommit?(): void
  committed?(): void
  /** What the transaction changed in memory is to be as before it. */
  rolledBack?(): void
}

export interface GroupCommitOptions {
  readonly beforeCommit: () => void
  /** The disk is full: answers whether something could be given up. */
  readonly makeRoom: () => boolean
}

/** `mail` is what nobody has been promised yet: the first to be refused when the disk is full. */
type Purpose = 'read' | 'write' | 'mail'

interface Request {
  readonly act: () => unknown
  readonly purpose: Purpose
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

type Attempt =
  | { readonly kind: 'committed'; readonly values: readonly unknown[] }
  | { readonly kind: 'refused'; readonly request: Request; readonly error: Error }
  | { readonly kind: 'full'; readonly error: StoreFull }
  | { readonly kind: 'stopped' }

/** More requests than this wait for the next transaction. */
const MOST_IN_BATCH = 500

export class GroupCommit {
  #database: Database
  #options: GroupCommitOptions
  #followers: Follower[] = []
  #waiting: Request[] = []
  #scheduled = false
  #failure: StoreFailure | undefined

  constructor(database: Database, options: GroupCommitOptions) {
    this.#database = database
    this.#options = options
  }

  follow(follower: Follower): void {
    this.#followers.push(follower)
  }

  get failure(): StoreFailure | undefined {
    return this.#failure
  }

  /** For what changes no row. */
  read<Value>(act: () => Value): Promise<Value> {
    return this.#enqueue(act, 'read')
  }

  write<Value>(act: () => Value): Promise<Value> {
    return this.#enqueue(act, 'write')
  }

  /** As `write`, for what makes the queue larger on a sender's behalf. */
  writeMail<Value>(act: () => Value): Promise<Value> {
    return this.#enqueue(act, 'mail')
  }

  /** Refuses all that waits and all that is still to come. */
  stop(why: string, cause?: unknown): StoreFailure {
    this.#failure ??= new StoreFailure(why, { cause })
    const waiting = this.#waiting
    this.#waiting = []
    for (const request of waiting) request.reject(this.#failure)
    return this.#failure
  }

  #enqueue<Value>(act: () => Value, purpose: Purpose): Promise<Value> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ act, purpose, resolve: resolve, reject })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#runBatch(this.#waiting.splice(0, MOST_IN_BATCH))
      this.#schedule()
    })
  }

  #runBatch(batch: readonly Request[]): void {
    let requests = batch
    while (requests.length > 0) {
      const attempt = this.#attempt(requests)
      switch (attempt.kind) {
        case 'committed':
          requests.forEach((request, index) => request.resolve(attempt.values[index] as never))
          return
        case 'refused':
          attempt.request.reject(attempt.error)
          requests = requests.filter((request) => request !== attempt.request)
          break
        case 'full':
          requests = this.#lighten(requests, attempt.error)
          break
        case 'stopped': {
          const failure = this.stop('the queue has stopped')
          for (const request of requests) request.reject(failure)
          return
        }
      }
    }
  }

  /** What is to be tried again on a full disk; the others are refused. Each time it is less. */
  #lighten(requests: readonly Request[], error: StoreFull): readonly Request[] {
    const kept = requests.filter(({ purpose }) => purpose !== 'mail')
    if (kept.length === requests.length && this.#options.makeRoom()) return requests
    const left = kept.length < requests.length ? kept : kept.filter(isRead)
    const still = left.length < requests.length ? left : []
    for (const request of requests) if (!still.includes(request)) request.reject(error)
    return still
  }

  #attempt(requests: readonly Request[]): Attempt {
    const values: unknown[] = []
    let current: Request | undefined
    try {
      this.#database.connection.exec('BEGIN')
      for (current of requests) values.push(current.act())
      current = undefined
      if (!requests.every(isRead)) this.#closeBatch()
      this.#commit()
    } catch (error) {
      return this.#rollBack(error, current)
    }
    for (const follower of this.#followers) follower.committed?.()
    return { kind: 'committed', values }
  }

  #closeBatch(): void {
    for (const follower of this.#followers) follower.beforeCommit?.()
    this.#options.beforeCommit()
  }

  #commit(): void {
    this.#database.connection.exec('COMMIT')
  }

  #rollBack(error: unknown, request: Request | undefined): Attempt {
    for (const follower of this.#followers) follower.rolledBack?.()
    const fault = faultOf(error)
    const isOver = fault === 'engine' || (fault === 'request' && request === undefined)
    if (isOver || !this.#canRollBack()) {
      this.stop(`the queue's database failed: ${messageOf(error)}`, error)
      return { kind: 'stopped' }
    }
    if (fault === 'full' || request === undefined) {
      return { kind: 'full', error: new StoreFull('the disk is full', { cause: error }) }
    }
    return { kind: 'refused', request, error: error instanceof Error ? error : new Error('failed') }
  }

  #canRollBack(): boolean {
    try {
      const { connection } = this.#database
      if (connection.isTransaction) connection.exec('ROLLBACK')
      return true
    } catch {
      return false
    }
  }
}

function isRead({ purpose }: Request): boolean {
  return purpose === 'read'
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
