/**
 * Receiver and pickup → queue: handing over a message, and asking whether an address is anybody's.
 *
 * One stream is one submission:
 *
 *     open    SubmissionHead
 *     ← record  SubmissionOpened            the queue id, for the Received field
 *     data    the content in LF form, as it arrives
 *     record  RecipientBatch                any number, any time before the end
 *     end     SubmissionCommit              … or cancel: nothing was ever there
 *     ← end   SubmissionAnswer              `accepted` is said after the commit has been synced
 *
 * LF form: every line ends in LF, no CR and no NUL anywhere. A submission that breaks this is refused.
 *
 * Addresses are RFC 5321 mailbox text, quoted where quoting is needed, without angle brackets; the
 * null reverse-path is the empty string.
 */

import type { PermanentStatus, TemporaryStatus } from './outcome.ts'
import { permanentStatus, temporaryStatus } from './outcome.ts'
import type { Shape } from './shape.ts'
import { flag, integer, list, oneOf, optional, record, text, union } from './shape.ts'

/** RFC 5321 section 4.5.3.1 allows 64 + 1 + 255; SMTPUTF8 counts bytes, and quoting adds some. */
export const LONGEST_ADDRESS = 900
export const MOST_RECIPIENTS_IN_BATCH = 50

export interface SubmissionHead {
  readonly type: 'submit'
  /** The size the sender announced, in bytes; so that a full disk is known early. */
  readonly announcedSize?: number
}

export interface SubmissionOpened {
  readonly queueId: string
}
export const submissionOpened: Shape<SubmissionOpened> = record({ queueId: text(32) })

/** RFC 3461 section 4.1: what the sender wants to be told about this recipient. */
export const NOTIFY_WORDS = ['never', 'success', 'failure', 'delay'] as const
export type Notify = (typeof NOTIFY_WORDS)[number]

export interface NewRecipient {
  readonly address: string
  /** ORCPT as given, `rfc822;text` (RFC 3461 section 4.2). */
  readonly originalRecipient?: string
  /** Absent: failure and delay, the default of RFC 3461 section 4.1. */
  readonly notify?: readonly Notify[]
}
export const newRecipient: Shape<NewRecipient> = record({
  address: text(LONGEST_ADDRESS),
  originalRecipient: optional(text(520)),
  notify: optional(list(oneOf(...NOTIFY_WORDS), 3)),
})

export interface RecipientBatch {
  readonly recipients: readonly NewRecipient[]
}
export const recipientBatch: Shape<RecipientBatch> = record({
  recipients: list(newRecipient, MOST_RECIPIENTS_IN_BATCH),
})

/** What the envelope carries beside addresses. */
export interface MessageTraits {
  /** RFC 6152. */
  readonly body: '7bit' | '8bitmime'
  /** RFC 6531. */
  readonly smtputf8: boolean
  /** RFC 3461 section 4.3. */
  readonly ret?: 'full' | 'hdrs'
  /** RFC 3461 section 4.4, as given (xtext). */
  readonly envelopeId?: string
}
export const messageTraits = {
  body: oneOf('7bit', '8bitmime'),
  smtputf8: flag,
  ret: optional(oneOf('full', 'hdrs')),
  envelopeId: optional(text(100)),
} as const

/** Who handed the message in: for the event `accepted`, the log, and nothing else. */
export interface Origin {
  readonly via: 'smtp' | 'drop' | 'report'
  /** `192.0.2.1`, for SMTP. */
  readonly client?: string
  /** The argument of EHLO or HELO. */
  readonly helo?: string
  /** The uid of the submitting user, for the drop directory. */
  readonly uid?: number
}
export const origin: Shape<Origin> = record({
  via: oneOf('smtp', 'drop', 'report'),
  client: optional(text(100)),
  helo: optional(text(300)),
  uid: optional(integer(0, 0xffff_ffff)),
})

export interface SubmissionCommit extends MessageTraits {
  readonly reversePath: string
  /** Header fields put in front, LF form, ending in LF: Received, for one. */
  readonly prepend: string
  readonly origin: Origin
  /** The same key is accepted once only; the answer to the second is the first one's queue id. */
  readonly idempotencyKey?: string
}
export const submissionCommit: Shape<SubmissionCommit> = record({
  reversePath: text(LONGEST_ADDRESS),
  prepend: text(20_000),
  origin,
  idempotencyKey: optional(text(200)),
  ...messageTraits,
})

export type SubmissionAnswer =
  | { readonly kind: 'accepted'; readonly queueId: string }
  | { readonly kind: 'deferred'; readonly status: TemporaryStatus; readonly text: string }
  | { readonly kind: 'failed'; readonly status: PermanentStatus; readonly text: string }
export const submissionAnswer: Shape<SubmissionAnswer> = union('kind', {
  accepted: record({ queueId: text(32) }),
  deferred: record({ status: temporaryStatus, text: text(500) }),
  failed: record({ status: permanentStatus, text: text(500) }),
})

/** Is there such a recipient on this host? Asked at RCPT for domains of our own. */
export interface RecipientQuestion {
  readonly type: 'recipient'
  readonly address: string
}
export const queueRequest: Shape<SubmissionHead | RecipientQuestion> = union('type', {
  submit: record({ announcedSize: optional(integer(0, Number.MAX_SAFE_INTEGER)) }),
  recipient: record({ address: text(LONGEST_ADDRESS) }),
})

/** `because` is for the log and `trace`, never for the client. */
export type RecipientAnswer =
  | { readonly kind: 'known'; readonly because: string }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'unsure'; readonly because: string }
export const recipientAnswer: Shape<RecipientAnswer> = union('kind', {
  known: record({ because: text(500) }),
  unknown: record({ because: text(500) }),
  unsure: record({ because: text(500) }),
})
