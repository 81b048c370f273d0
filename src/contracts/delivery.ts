/**
 * Queue → agents (local and remote): one message for some recipients.
 *
 * One stream is one attempt at up to `MOST_RECIPIENTS_IN_ATTEMPT` recipients of one message:
 *
 *     open    LocalDelivery | RemoteDelivery
 *     data    the content, LF form, header edits already applied; only against credit
 *     end     {}                                  the content is complete
 *     ← record  RecipientOutcome                  one for each recipient, as soon as it is known
 *     ← end   {}                                  nothing more will be said
 *
 * Recipients the agent says nothing about are simply waiting again. An agent may answer before it
 * has read the content, and then sends its end: the queue stops sending.
 *
 * Local only: a stream `open`ed with MailboxQuestion asks whether a virtual mailbox exists.
 */

import type { Shape } from './shape.ts'
import { integer, list, oneOf, optional, record, text, union } from './shape.ts'
import type { MessageTraits, Notify } from './submission.ts'
import { LONGEST_ADDRESS, messageTraits, NOTIFY_WORDS } from './submission.ts'

export const MOST_RECIPIENTS_IN_ATTEMPT = 50

/**
 * Where in its agent's world a message goes. The path is absolute, or relative to the home of the
 * account; ending in `/` it is a Maildir, otherwise an mbox file.
 */
export interface LocalRecipient {
  readonly recipient: number
  /** For Delivered-To and loop detection. */
  readonly address: string
  readonly mailbox: string
  /** Make the Maildir if it is missing (`create = true`, or an account's own Maildir). */
  readonly create: boolean
}

export interface LocalDelivery {
  readonly type: 'deliver'
  readonly queueId: string
  readonly reversePath: string
  /** Bytes of content that will follow. */
  readonly size: number
  readonly recipients: readonly LocalRecipient[]
}

export interface MailboxQuestion {
  readonly type: 'mailbox'
  readonly mailbox: string
}

export const localRequest: Shape<LocalDelivery | MailboxQuestion> = union('type', {
  deliver: record({
    queueId: text(32),
    reversePath: text(LONGEST_ADDRESS),
    size: integer(0, Number.MAX_SAFE_INTEGER),
    recipients: list(
      record({
        recipient: integer(0, 1_000_000),
        address: text(LONGEST_ADDRESS),
        mailbox: text(4_096),
        create: (input) =>
          typeof input === 'boolean'
            ? { ok: true, value: input }
            : { ok: false, problem: 'not true or false' },
      }),
      MOST_RECIPIENTS_IN_ATTEMPT,
    ),
  }),
  mailbox: record({ mailbox: text(4_096) }),
})

/** The answer (`end`) to a MailboxQuestion. */
export type MailboxAnswer =
  | { readonly kind: 'exists' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unsure'; readonly because: string }
export const mailboxAnswer: Shape<MailboxAnswer> = union('kind', {
  exists: record({}),
  missing: record({}),
  unsure: record({ because: text(500) }),
})

/** Where the remote agent is to go: the MX hosts of a domain, or one host of a route. */
export type NextHop =
  | { readonly kind: 'mx'; readonly domain: string }
  | { readonly kind: 'host'; readonly host: string; readonly port: number }
export const nextHop: Shape<NextHop> = union('kind', {
  mx: record({ domain: text(300) }),
  host: record({ host: text(300), port: integer(1, 65_535) }),
})

export interface RemoteRecipient {
  readonly recipient: number
  readonly address: string
  readonly originalRecipient?: string
  readonly notify?: readonly Notify[]
}

export interface RemoteDelivery extends MessageTraits {
  readonly type: 'deliver'
  readonly queueId: string
  readonly nextHop: NextHop
  readonly reversePath: string
  readonly size: number
  readonly recipients: readonly RemoteRecipient[]
}
export const remoteRequest: Shape<RemoteDelivery> = union('type', {
  deliver: record({
    queueId: text(32),
    nextHop,
    reversePath: text(LONGEST_ADDRESS),
    size: integer(0, Number.MAX_SAFE_INTEGER),
    recipients: list(
      record({
        recipient: integer(0, 1_000_000),
        address: text(LONGEST_ADDRESS),
        originalRecipient: optional(text(520)),
        notify: optional(list(oneOf(...NOTIFY_WORDS), 3)),
      }),
      MOST_RECIPIENTS_IN_ATTEMPT,
    ),
    ...messageTraits,
  }),
})

/**
 * A notice of the remote agent: this domain is answered for by this site (the sorted names of its
 * MX hosts), so that concurrency and back-off are counted per site and not per domain.
 */
export interface SiteNotice {
  readonly type: 'site'
  readonly domain: string
  readonly site: string
  readonly ttlSeconds: number
}
export const siteNotice: Shape<SiteNotice> = union('type', {
  site: record({ domain: text(300), site: text(1_000), ttlSeconds: integer(0, 604_800) }),
})
