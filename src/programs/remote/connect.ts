/**
 * A connection to a mail host that may have several addresses, some of which may be dead.
 *
 * The addresses of one host are tried in their order; if one does not answer within a moment the next is tried
 * beside it, and the first connection wins. So a broken IPv6 path costs seconds and not minutes.
 *
 * RFC 8305 section 5 (staggered attempts), RFC 5321 section 5.1 (all addresses of a host).
 */

import type { dial as dialOnce, SmtpSocket } from '../../io/smtp-socket.ts'
import type { Candidate } from './attempt.ts'
import type { Timeouts } from './timeouts.ts'

export type Dial = typeof dialOnce

export interface Connected {
  readonly connection?: { readonly socket: SmtpSocket; readonly candidate: Candidate }
  readonly failures: readonly { readonly candidate: Candidate; readonly why: string }[]
}

export async function connectFirst(
  candidates: readonly Candidate[],
  dial: Dial,
  timeouts: Pick<Timeouts, 'connect' | 'stagger'>,
): Promise<Connected> {
  const race = new AbortController()
  const failures: { candidate: Candidate; why: string }[] = []
  const { promise, resolve } = Promise.withResolvers<Connected>()
  const waiting = [...candidates]
  let running = 0
  let timer: NodeJS.Timeout | undefined

  const attempt = async (candidate: Candidate) => {
    const { address, port } = candidate
    const options = { address, port, timeoutMs: timeouts.connect, signal: race.signal }
    const dialled = await dial(options)
    running -= 1
    if (race.signal.aborted) {
      if (dialled.ok) dialled.value.destroy()
      return
    }
    if (dialled.ok) {
      race.abort()
      return resolve({ connection: { socket: dialled.value, candidate }, failures })
    }
    failures.push({ candidate, why: dialled.problem })
    next()
  }
  const next = () => {
    clearTimeout(timer)
    const candidate = waiting.shift()
    if (candidate === undefined) {
      if (running === 0) resolve({ failures })
      return
    }
    running += 1
    timer = setTimeout(next, timeouts.stagger)
    void attempt(candidate)
  }
  next()
  const connected = await promise
  clearTimeout(timer)
  return connected
}
