/**
 * Connections between two messages: kept for a moment, because the next message to the same site often
 * follows at once, and never for long, because somebody else's server holds the other end.
 *
 * Kept by site and not by host: all hosts of a site are as good, and a connection that came about on
 * its second-best host is given up after a while so that the best is tried again.
 */

import type { SmtpSocket } from '../../io/smtp-socket.ts'
import type { Candidate } from './attempt.ts'
import type { Peer } from './opening.ts'

/** A connection on which transactions may be made. */
export interface Session {
  readonly socket: SmtpSocket
  readonly candidate: Candidate
  readonly peer: Peer
  readonly openedAt: number
  /** Transactions so far. */
  readonly used: number
}

export interface PoolLimits {
  readonly idleMs: number
  readonly ageMs: number
  readonly transactions: number
  /** Idle connections kept in all. */
  readonly most: number
}

export const POOL_LIMITS: PoolLimits = {
  idleMs: 5_000,
  ageMs: 300_000,
  transactions: 100,
  most: 200,
}

interface Idle {
  readonly site: string
  readonly session: Session
  readonly timer: NodeJS.Timeout
}

export class Pool {
  readonly #limits: PoolLimits
  readonly #now: () => number
  /** The longest idle first. */
  readonly #idle = new Set<Idle>()

  constructor(now: () => number, limits: PoolLimits = POOL_LIMITS) {
    this.#now = now
    this.#limits = limits
  }

  get size(): number {
    return this.#idle.size
  }

  /** The connection to this site that was used last, if it is still good. */
  take(site: string): Session | undefined {
    const candidates = [...this.#idle].filter((idle) => idle.site === site).reverse()
    for (const idle of candidates) {
      this.#idle.delete(idle)
      clearTimeout(idle.timer)
      if (idle.session.socket.quiet) return idle.session
      idle.session.socket.destroy()
    }
    return undefined
  }

  /** After a transaction: keeps the connection or says goodbye. */
  give(site: string, session: Session): void {
    const { idleMs, ageMs, transactions, most } = this.#limits
    const worn = session.used >= transactions || this.#now() - session.openedAt >= ageMs
    if (worn || !session.socket.quiet) return session.socket.quit()
    const idle: Idle = { site, session, timer: setTimeout(() => this.#drop(idle), idleMs) }
    this.#idle.add(idle)
    const [oldest] = this.#idle
    if (this.#idle.size > most && oldest !== undefined) this.#drop(oldest)
  }

  close(): void {
    for (const idle of this.#idle) this.#drop(idle)
  }

  #drop(idle: Idle): void {
    this.#idle.delete(idle)
    clearTimeout(idle.timer)
    idle.session.socket.quit()
  }
}
