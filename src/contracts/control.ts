/**
 * Operators' commands → console → queue: what is in the queue, and acts upon it.
 *
 * On the console's sockets a request is one line of JSON and so is each answer: any number of
 * `item` lines, then one `end` or `refused`. Between console and queue the same values are the
 * head, the records and the end of a stream. `operator` is set by the console from the door the
 * request came through, never by the caller.
 */

import type { Shape } from './shape.ts'
import { flag, integer, list, oneOf, optional, record, text, union } from './shape.ts'

/** Which recipients an act or a listing is about; all conditions must hold. */
export interface Selection {
  readonly queueId?: string
  readonly sender?: string
  readonly recipient?: string
  readonly domain?: string
}
export const selection: Shape<Selection> = record({
  queueId: optional(text(32)),
  sender: optional(text(900)),
  recipient: optional(text(900)),
  domain: optional(text(300)),
})

export type ControlRequest =
  | { readonly type: 'status' }
  | {
      readonly type: 'list'
      readonly selection: Selection
      readonly after?: string
      readonly limit: number
    }
  | { readonly type: 'show'; readonly queueId: string; readonly content: boolean }
  /** Due now. Without a selection: everything. */
  | { readonly type: 'retry'; readonly selection: Selection }
  /** Gone without a report. The selection must not be empty. */
  | { readonly type: 'remove'; readonly selection: Selection }
export const controlRequest: Shape<ControlRequest> = union('type', {
  status: record({}),
  list: record({ selection, after: optional(text(64)), limit: integer(1, 1_000) }),
  show: record({ queueId: text(32), content: flag }),
  retry: record({ selection }),
  remove: record({ selection }),
})

/** What the console opens a stream to the queue with. Whoever is no operator may ask `status`. */
export interface ConsoleRequest {
  readonly operator: boolean
  readonly request: ControlRequest
}
export const consoleRequest: Shape<ConsoleRequest> = record({
  operator: flag,
  request: controlRequest,
})

export interface QueueCounts {
  readonly messages: number
  readonly recipients: number
  readonly held: number
  readonly attempting: number
  /** Seconds since the oldest message arrived; 0 when there is none. */
  readonly oldestSeconds: number
}
export const queueCounts: Shape<QueueCounts> = record({
  messages: integer(0, Number.MAX_SAFE_INTEGER),
  recipients: integer(0, Number.MAX_SAFE_INTEGER),
  held: integer(0, Number.MAX_SAFE_INTEGER),
  attempting: integer(0, Number.MAX_SAFE_INTEGER),
  oldestSeconds: integer(0, Number.MAX_SAFE_INTEGER),
})

export const RECIPIENT_STATES = ['waiting', 'attempting', 'held', 'failed'] as const

export interface ListedRecipient {
  readonly address: string
  readonly state: (typeof RECIPIENT_STATES)[number]
  readonly lane: string
  /** Milliseconds since 1970. */
  readonly nextAttemptAt: number
  readonly attempts: number
  readonly lastText?: string
}
const milliseconds = integer(0, Number.MAX_SAFE_INTEGER)
export const listedRecipient: Shape<ListedRecipient> = record({
  address: text(900),
  state: oneOf(...RECIPIENT_STATES),
  lane: text(400),
  nextAttemptAt: milliseconds,
  attempts: integer(0, Number.MAX_SAFE_INTEGER),
  lastText: optional(text(1_000)),
})

/** One item of `list` and `show`. A listing names at most ten recipients of a message. */
export interface ListedMessage {
  readonly queueId: string
  readonly arrivedAt: number
  readonly size: number
  readonly reversePath: string
  readonly recipientCount: number
  readonly recipients: readonly ListedRecipient[]
}
export const listedMessage: Shape<ListedMessage> = record({
  queueId: text(32),
  arrivedAt: milliseconds,
  size: integer(0, Number.MAX_SAFE_INTEGER),
  reversePath: text(900),
  recipientCount: integer(0, Number.MAX_SAFE_INTEGER),
  recipients: list(listedRecipient, 1_000),
})

/** A line of a message's story: `accepted`, `attempt`, `delivered`, `deferred`, `failed`, … */
export interface ListedEvent {
  readonly at: number
  readonly event: string
  readonly recipient?: string
  readonly text: string
}
export const listedEvent: Shape<ListedEvent> = record({
  at: milliseconds,
  event: text(40),
  recipient: optional(text(900)),
  text: text(2_000),
})

export type ControlItem =
  | { readonly item: 'counts'; readonly counts: QueueCounts }
  | { readonly item: 'message'; readonly message: ListedMessage }
  | { readonly item: 'event'; readonly event: ListedEvent }
  /** A piece of a message's content, Latin-1 so that every byte is one character. */
  | { readonly item: 'content'; readonly bytes: string }
export const controlItem: Shape<ControlItem> = union('item', {
  counts: record({ counts: queueCounts }),
  message: record({ message: listedMessage }),
  event: record({ event: listedEvent }),
  content: record({ bytes: text(20_000) }),
})

export type ControlEnd =
  /** `affected` recipients were acted upon; `next` continues a listing. */
  | { readonly end: 'done'; readonly affected: number; readonly next?: string }
  | { readonly end: 'refused'; readonly why: string }
export const controlEnd: Shape<ControlEnd> = union('end', {
  done: record({ affected: integer(0, Number.MAX_SAFE_INTEGER), next: optional(text(64)) }),
  refused: record({ why: text(500) }),
})
