/**
 * When a message has been tried long enough, and what its sender is told then.
 *
 * Nothing expires between attempts: the first attempt that begins past the lifetime is the last,
 * and if that too is put off, the recipient has failed.
 *
 * RFC 5321 section 4.5.4.1 (give-up time of four to five days at least), RFC 3463 (X.4.7).
 */

import type { Deferred, Failed, Outcome, PermanentStatus } from '../contracts/outcome.ts'

export interface LastAttempt {
  readonly last: boolean
  readonly because: string
}

/** Whether the attempt that began at `startedAt` (milliseconds) is the last one. */
export function isLastAttempt(
  times: { readonly arrivedAt: number; readonly startedAt: number },
  lifetimeSeconds: number,
): LastAttempt {
  const age = Math.floor((times.startedAt - times.arrivedAt) / 1000)
  const last = age > lifetimeSeconds
  return { last, because: `age ${age} s, retry.lifetime ${lifetimeSeconds} s` }
}

/** What a last attempt's outcome means: put off once more is failed. */
export function concludeAttempt(outcome: Outcome, attempt: LastAttempt): Outcome {
  return attempt.last && outcome.kind === 'deferred' ? expired(outcome) : outcome
}

const SENTENCE = 'This has been tried for too long, and no more attempts will be made.'

function expired(outcome: Deferred): Failed {
  const text = `${outcome.text} ${SENTENCE}`
  return { ...outcome, kind: 'failed', status: permanentForm(outcome.status), text: text.trim() }
}

/**
 * What was wrong with the address, the mailbox or the rules stays told; all else is "delivery time
 * expired". RFC 3463 section 3.2, 3.3 and 3.8.
 */
function permanentForm(status: string): PermanentStatus {
  const known = /^4\.([127])\.([1-9][0-9]*)$/.exec(status)
  return known === null ? '5.4.7' : `5.${Number(known[1])}.${Number(known[2])}`
}
