/**
 * Group commit: all requests of one turn of the event loop in one transaction, one fsync.
 *
 * Requests are synchronous functions. Those that gathered while the loop was elsewhere run in the
 * order they came, then one COMMIT, then all promises resolve. Should one throw for reasons of its
 * own, the transaction is rolled back and run again without it, so it takes no neighbour along;
 * this costs nothing until it happens, where a savepoint for each would cost every time. A request
 * may therefore run twice and must change memory only through followers, which are told.
 *
 * A disk that is full is the request's own failure if a statement says so (StoreFull: nothing has
 * changed, the store goes on). If COMMIT fails, for whatever reason, the store has stopped: whether
 * the log reached the disk is unknown, and an fsync is never tried again and then believed.
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

interface Request {
  readonly act: () => unknown
  readonly writes: boolean
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

type Attempt =
  | { readonly kind: 'committed'; readonly values: readonly unknown[] }
  | { readonly kind: 'refused'; readonly request: Request; readonly error: Error }
  | { readonly kind: 'stopped' }

/** More requests than this wait for the next transaction. */
const MOST_IN_BATCH = 500

export class GroupCommit {
  #database: Database
  #beforeCommit: () => void
  #followers: Follower[] = []
  #waiting: Request[] = []
  #scheduled = false
  #failure: StoreFailure | undefined

  constructor(database: Database, beforeCommit: () => void) {
    this.#database = database
    this.#beforeCommit = beforeCommit
  }

  follow(follower: Follower): void {
    this.#followers.push(follower)
  }

  get failure(): StoreFailure | undefined {
    return this.#failure
  }

  /** For what changes no row. */
  read<Value>(act: () => Value): Promise<Value> {
    return this.#enqueue(act, false)
  }

  write<Value>(act: () => Value): Promise<Value> {
    return this.#enqueue(act, true)
  }

  /** Refuses all that waits and all that is still to come. */
  stop(why: string, cause?: unknown): StoreFailure {
    this.#failure ??= new StoreFailure(why, { cause })
    const waiting = this.#waiting
    this.#waiting = []
    for (const request of waiting) request.reject(this.#failure)
    return this.#failure
  }

  #enqueue<Value>(act: () => Value, writes: boolean): Promise<Value> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ act, writes, resolve: resolve, reject })
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
        case 'stopped': {
          const failure = this.stop('the queue has stopped')
          for (const request of requests) request.reject(failure)
          return
        }
      }
    }
  }

  #attempt(requests: readonly Request[]): Attempt {
    const values: unknown[] = []
    let current: Request | undefined
    try {
      this.#database.connection.exec('BEGIN')
      for (current of requests) values.push(current.act())
      current = undefined
      if (requests.some((request) => request.writes)) this.#closeBatch()
      this.#commit()
    } catch (error) {
      return this.#rollBack(error, current)
    }
    for (const follower of this.#followers) follower.committed?.()
    return { kind: 'committed', values }
  }

  #closeBatch(): void {
    for (const follower of this.#followers) follower.beforeCommit?.()
    this.#beforeCommit()
  }

  #commit(): void {
    this.#database.connection.exec('COMMIT')
  }

  #rollBack(error: unknown, request: Request | undefined): Attempt {
    for (const follower of this.#followers) follower.rolledBack?.()
    const fault = faultOf(error)
    if (request === undefined || fault === 'engine' || !this.#canRollBack()) {
      this.stop(`the queue's database failed: ${messageOf(error)}`, error)
      return { kind: 'stopped' }
    }
    if (fault === 'full') {
      return { kind: 'refused', request, error: new StoreFull('no room', { cause: error }) }
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

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
