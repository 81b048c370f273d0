/**
 * What became of one recipient in one attempt: agents say it, the queue acts on it.
 *
 * Unknown is temporary: whoever cannot tell says `deferred`. A permanent status on a temporary
 * outcome, or the reverse, does not compile and is refused by the decoder.
 *
 * RFC 3463 (enhanced status codes), RFC 3464 section 2.3 (what a report says of a recipient).
 */

import { ok, refused } from '../protocol/result.ts'
import type { Shape } from './shape.ts'
import { flag, integer, optional, record, text, union } from './shape.ts'

export type SuccessStatus = `2.${number}.${number}`
export type TemporaryStatus = `4.${number}.${number}`
export type PermanentStatus = `5.${number}.${number}`

/** What is known of the attempt beside its outcome: for events, the log and reports. */
export interface AttemptFacts {
  /** The host that was spoken to: `mx.example.org [192.0.2.1]:25`. */
  readonly host?: string
  /** TLS version and cipher, when the session was encrypted. */
  readonly tls?: string
  /** The host's own words, code first: `550 5.1.1 no such user`. Capped at 1,000 characters. */
  readonly reply?: string
  /** True where no connection was made, so the site and not the message is at fault. */
  readonly unreachable?: boolean
}

export interface Delivered extends AttemptFacts {
  readonly kind: 'delivered'
  readonly status: SuccessStatus
  readonly text: string
}
/** Another attempt may succeed. */
export interface Deferred extends AttemptFacts {
  readonly kind: 'deferred'
  readonly status: TemporaryStatus
  readonly text: string
}
/** No attempt can succeed; the sender is told. */
export interface Failed extends AttemptFacts {
  readonly kind: 'failed'
  readonly status: PermanentStatus
  readonly text: string
}
export type Outcome = Delivered | Deferred | Failed

export const LONGEST_OUTCOME_TEXT = 1_000

/** A status of the class `first`, as RFC 3463 section 2 writes it: three numbers, no leading zeros. */
function statusOfClass<const Class extends '2' | '4' | '5'>(
  first: Class,
): Shape<`${Class}.${number}.${number}`> {
  const pattern = new RegExp(`^${first}\\.(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})$`)
  return (input) =>
    typeof input === 'string' && pattern.test(input)
      ? ok(input as `${Class}.${number}.${number}`)
      : refused(`not a status of class ${first}`)
}

export const successStatus: Shape<SuccessStatus> = statusOfClass('2')
export const temporaryStatus: Shape<TemporaryStatus> = statusOfClass('4')
export const permanentStatus: Shape<PermanentStatus> = statusOfClass('5')

const facts = {
  text: text(LONGEST_OUTCOME_TEXT),
  host: optional(text(400)),
  tls: optional(text(200)),
  reply: optional(text(LONGEST_OUTCOME_TEXT)),
  unreachable: optional(flag),
} as const

export const outcome: Shape<Outcome> = union('kind', {
  delivered: record({ status: successStatus, ...facts }),
  deferred: record({ status: temporaryStatus, ...facts }),
  failed: record({ status: permanentStatus, ...facts }),
})

/** An agent's word about one recipient it was given. `recipient` is the number in the request. */
export interface RecipientOutcome {
  readonly recipient: number
  readonly outcome: Outcome
}
export const recipientOutcome: Shape<RecipientOutcome> = record({
  recipient: integer(0, 1_000_000),
  outcome,
})
