/**
 * What follows from an attempt for one recipient: its settlement, and the line in the log. Pure.
 */

import type { Deferred, Failed, Outcome } from '../../contracts/outcome.ts'
import type { Retry } from '../../contracts/settings.ts'
import type { LogFields } from '../../io/log.ts'
import { concludeAttempt, isLastAttempt } from '../../policy/expiry.ts'
import type { AttemptTimes, Channel } from '../../policy/retry.ts'
import { nextAttempt } from '../../policy/retry.ts'
import type { AttemptEnd } from './attempt.ts'
import type { ClaimedRecipient, Settlement } from './store/store.ts'

export interface Verdict {
  readonly recipient: ClaimedRecipient
  readonly settlement: Settlement
  /** Absent where nothing is to be told: the attempt did not count. */
  readonly event?: { readonly name: string; readonly fields: LogFields }
}

export interface VerdictContext extends AttemptTimes {
  readonly channel: Channel
  readonly retry: Retry
  /** A rest of the site: no attempt makes sense before. */
  readonly notBefore?: number | undefined
}

export function verdictOf(
  recipient: ClaimedRecipient,
  outcome: Outcome,
  context: VerdictContext,
): Verdict {
  const last = isLastAttempt(context, context.retry.lifetime)
  const concluded = concludeAttempt(outcome, last)
  const { id } = recipient
  const fields = outcomeFields(recipient, concluded)
  switch (concluded.kind) {
    case 'delivered': {
      const settlement = { id, kind: 'delivered', outcome: concluded } as const
      return { recipient, settlement, event: { name: 'delivered', fields } }
    }
    case 'failed': {
      const settlement = { id, kind: 'failed', outcome: concluded } as const
      return { recipient, settlement, event: { name: 'failed', fields } }
    }
    case 'deferred': {
      const next = nextAttempt(context, context.channel, context.retry)
      const nextAttemptAt = Math.max(next.at, context.notBefore ?? 0)
      const settlement = { id, kind: 'deferred', outcome: concluded, nextAttemptAt } as const
      const until = new Date(nextAttemptAt).toISOString()
      return { recipient, settlement, event: { name: 'deferred', fields: { ...fields, until } } }
    }
  }
}

/** Waiting again as if nothing had been tried. */
export function released(recipient: ClaimedRecipient, nextAttemptAt: number): Verdict {
  return { recipient, settlement: { id: recipient.id, kind: 'released', nextAttemptAt } }
}

function outcomeFields(recipient: ClaimedRecipient, outcome: Outcome): LogFields {
  return {
    to: `<${recipient.address}>`,
    status: outcome.status,
    text: outcome.text,
    host: outcome.host,
    reply: outcome.reply,
    tls: outcome.tls,
    attempt: recipient.attempts + 1,
  }
}

export const NO_SUCH_MAILBOX: Failed = {
  kind: 'failed',
  status: '5.1.1',
  text: 'There is no mailbox of this name here.',
}

/** Why a recipient is put off of whom the agent has said nothing. */
export function silenceOf(end: AttemptEnd): Deferred {
  return { kind: 'deferred', status: '4.3.0', text: SILENCE[end] }
}

const SILENCE: Readonly<Record<AttemptEnd, string>> = {
  complete: 'The delivery ended without a word about this recipient.',
  cancelled: 'The delivery was given up by the program that makes it.',
  lost: 'The program that makes the delivery has ended several times in the middle of it.',
  'too slow': 'The delivery took too long and was given up.',
  unreadable: 'The message could not be read from the queue.',
}
