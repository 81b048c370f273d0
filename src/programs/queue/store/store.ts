/**
 * QueueStore: what the queue keeps, and the only way to it.
 *
 * Hides the engine. Asynchronous throughout, and stated in terms of leases, so that an engine shared
 * by several hosts can stand behind it. Every engine passes conformance.ts.
 *
 * Group commit is part of the contract: calls made while a commit is running go together into the
 * next one, and a promise resolves only after the commit that holds its change has been synced. A
 * promise that rejects with StoreFailure means: nothing of this call may be believed, in either
 * direction; the store has stopped and must be opened anew.
 *
 * States of a recipient (docs/queue.md):
 *
 *     arriving → waiting ⇄ attempting → (row removed: delivered)
 *                   ⇅                 → reportable → (row removed with its report queued)
 *                  held
 *
 * `attempting` is a lease of the process that claimed the recipient, never a stored state. A message
 * ends, and its content with it, when its last recipient's row is removed.
 *
 * A *lane* is where recipients wait in line: the text policy/routing.ts gives to the agent or
 * next hop, with `bulk` behind it for messages with many recipients. All times are milliseconds
 * since 1970, and passed in.
 */

import type {
  ListedEvent,
  ListedMessage,
  QueueCounts,
  Selection,
} from '../../../contracts/control.ts'
import type { Failed, Outcome } from '../../../contracts/outcome.ts'
import type { MessageTraits, NewRecipient, Origin } from '../../../contracts/submission.ts'

/** Ten or more characters of Crockford's base 32; never repeated, growing with time. */
export type QueueId = string
/** Engine-wide number of one recipient of one message. */
export type RecipientId = number

export class StoreFailure extends Error {
  override readonly name = 'StoreFailure'
}

/** There is no room on the disk. The call has changed nothing, and the store goes on. */
export class StoreFull extends Error {
  override readonly name = 'StoreFull'
}

/** A recipient as it enters the queue, already routed. */
export interface RoutedRecipient extends NewRecipient {
  readonly lane: string
}

export interface EventRecord {
  readonly at: number
  /** `accepted`, `attempt`, `delivered`, `deferred`, `failed`, `reported`, `discarded`, `removed`, … */
  readonly event: string
  readonly recipient?: string
  readonly text: string
}

/** What becomes known only when the last byte has been seen. */
export interface CommitRequest extends MessageTraits {
  readonly reversePath: string
  /** Header fields in front of the content, LF form. */
  readonly prepend: string
  readonly origin: Origin
  readonly idempotencyKey?: string
  readonly now: number
}

/** A message on its way in. Nothing of it exists for anybody until `commit` has resolved. */
export interface Arrival {
  readonly queueId: QueueId
  /** Content in LF form. Resolves when more is welcome. One call at a time. */
  write(bytes: Uint8Array): Promise<void>
  /** Any number of times. Many recipients are staged in bounded steps, in state `arriving`. */
  addRecipients(recipients: readonly RoutedRecipient[]): Promise<void>
  /** Answers the id under which the message is queued: the earlier one if the key is known. */
  commit(request: CommitRequest): Promise<QueueId>
  abort(): Promise<void>
}

/**
 * A message the queue itself makes: a report. Its content is `prepend`, then the content of the
 * message it is about (as agents see it) if `shares` names one, then `append`.
 */
export interface ReportMessage extends MessageTraits {
  readonly reversePath: string
  readonly recipients: readonly RoutedRecipient[]
  readonly prepend: Uint8Array
  readonly shares?: QueueId
  readonly append: Uint8Array
  readonly now: number
}

export interface ClaimedRecipient {
  readonly id: RecipientId
  readonly queueId: QueueId
  readonly address: string
  readonly originalRecipient?: string
  readonly notify?: NewRecipient['notify']
  readonly lane: string
  readonly attempts: number
}

export interface StoredMessage extends MessageTraits {
  readonly queueId: QueueId
  readonly reversePath: string
  readonly arrivedAt: number
  /** Bytes of the content as agents see it: prepended fields, content and what is appended. */
  readonly size: number
  readonly origin: Origin
}

/** How one claimed recipient's lease ends. */
export type Settlement =
  | { readonly id: RecipientId; readonly kind: 'delivered'; readonly outcome: Outcome }
  | {
      readonly id: RecipientId
      readonly kind: 'deferred'
      readonly outcome: Outcome
      readonly nextAttemptAt: number
    }
  /** Kept as reportable until `report` removes it. */
  | { readonly id: RecipientId; readonly kind: 'failed'; readonly outcome: Failed }
  /** Waiting again at `nextAttemptAt`, as if no attempt had been made; not an event. */
  | { readonly id: RecipientId; readonly kind: 'released'; readonly nextAttemptAt: number }

/** A recipient that has reached its end and of whom a report may be due. */
export interface ReportableRecipient {
  readonly id: RecipientId
  readonly address: string
  readonly originalRecipient?: string
  readonly notify?: NewRecipient['notify']
  readonly outcome: Outcome
}

export interface LaneDue {
  readonly lane: string
  /** When its first waiting recipient is due. */
  readonly dueAt: number
}

export interface QueueStore {
  /**
   * Removes what was still arriving when the last process ended; in slices, call until it
   * answers 0. Claims of earlier processes have ended by themselves. Where it finds the disk full
   * (StoreFull) it may be called again at any time; what was queued meanwhile is safe from it.
   */
  recover(limit: number): Promise<number>

  /** Starts a message. Synchronous, so that the id can be told at once. */
  arrive(): Arrival

  /**
   * Lanes with recipients due at `now` that nobody has claimed, the longest due first, at most
   * `limit`. A lane whose due recipients are all claimed is not among them.
   */
  dueLanes(now: number, limit: number): Promise<readonly LaneDue[]>
  /** When the next recipient of any lane becomes due after `now`; absent if none waits. */
  nextDueAfter(now: number): Promise<number | undefined>

  /** Leases up to `limit` due recipients of a lane, those of one message next to each other. */
  claim(lane: string, limit: number, now: number): Promise<readonly ClaimedRecipient[]>
  message(queueId: QueueId): Promise<StoredMessage | undefined>
  /** The content agents get, in pieces of at most 64 KiB. Safe while the message may end. */
  readContent(queueId: QueueId): AsyncIterable<Uint8Array>

  /**
   * Ends leases. Answers the messages that now have reportable recipients and no others that are
   * claimed or due at `now`: of these a report should be made.
   */
  settle(settlements: readonly Settlement[], now: number): Promise<readonly QueueId[]>

  /** Messages that have been reportable since before a restart; call until it answers none. */
  reportable(now: number, limit: number): Promise<readonly QueueId[]>
  reportableRecipients(queueId: QueueId, limit: number): Promise<readonly ReportableRecipient[]>
  /**
   * In one transaction: queues `report` if there is one (none: nobody is to be told), records
   * `event` for each of `ids`, and removes them. Answers the report's queue id.
   */
  report(request: {
    readonly queueId: QueueId
    readonly ids: readonly RecipientId[]
    readonly report?: ReportMessage
    readonly event: EventRecord
  }): Promise<QueueId | undefined>

  counts(now: number): Promise<QueueCounts>
  list(request: {
    readonly selection: Selection
    readonly after?: string
    readonly limit: number
  }): Promise<{ readonly messages: readonly ListedMessage[]; readonly next?: string }>
  show(queueId: QueueId): Promise<ListedMessage | undefined>
  /** The latest `limit` events of a message, in their order. */
  events(queueId: QueueId, limit: number): Promise<readonly ListedEvent[]>
  /** Makes waiting recipients due at `now`. A slice: call until it answers less than `limit`. */
  retry(selection: Selection, now: number, limit: number): Promise<number>
  /** Removes waiting recipients without a report; claimed ones are passed over. Call until it answers 0. */
  remove(selection: Selection, now: number, limit: number): Promise<number>
  /** Deletes events of messages that have left, older than `before`. Call until it answers 0. */
  purgeEvents(before: number, limit: number): Promise<number>

  close(): Promise<void>
}
