/**
 * What the queue holds, as plain maps: the meaning of the contract, written as directly as possible.
 */

import type {
  ListedEvent,
  ListedMessage,
  ListedRecipient,
  QueueCounts,
  Selection,
} from '../../../../contracts/control.ts'
import type { Outcome } from '../../../../contracts/outcome.ts'
import type { MessageTraits, Origin } from '../../../../contracts/submission.ts'
import { formatQueueId, QueueIdSource } from '../queue-id.ts'
import { listed, matcherOf, SHOWN_RECIPIENTS } from '../selection.ts'
import type {
  ClaimedRecipient,
  EventRecord,
  LaneDue,
  QueueId,
  RecipientId,
  ReportableRecipient,
  ReportMessage,
  RoutedRecipient,
  Settlement,
  StoredMessage,
} from '../store.ts'
import { acceptedText, LONGEST_LAST_TEXT, outcomeText } from '../wording.ts'

export interface MemoryRecipient {
  readonly id: RecipientId
  readonly message: MemoryMessage
  readonly routed: RoutedRecipient
  state: 'waiting' | 'reportable'
  dueAt: number
  attempts: number
  lastText?: string
  outcome?: Outcome
}

export interface MemoryMessage {
  readonly stored: StoredMessage
  readonly bytes: Uint8Array
  readonly recipients: Map<RecipientId, MemoryRecipient>
}

export interface NewMemoryMessage {
  readonly queueId: QueueId
  readonly reversePath: string
  readonly traits: MessageTraits
  readonly origin: Origin
  readonly bytes: Uint8Array
  readonly recipients: readonly RoutedRecipient[]
  readonly now: number
}

export class MemoryModel {
  readonly messages = new Map<QueueId, MemoryMessage>()
  readonly recipients = new Map<RecipientId, MemoryRecipient>()
  readonly claims = new Set<RecipientId>()
  readonly events = new Map<QueueId, ListedEvent[]>()
  readonly keys = new Map<string, QueueId>()
  #ids: QueueIdSource
  #nextRecipient = 1

  constructor(clock: () => number) {
    const mark = { mark: 0, raise: (to: number) => (mark.mark = to) }
    this.#ids = new QueueIdSource(clock, mark)
  }

  nextQueueId(): QueueId {
    return formatQueueId(this.#ids.next())
  }

  accept(request: NewMemoryMessage): void {
    const { queueId, reversePath, origin, bytes, recipients, now } = request
    if (recipients.length === 0) throw new Error('a message without recipients')
    const { body, smtputf8, ret, envelopeId } = request.traits
    const size = bytes.length
    const stored: StoredMessage = {
      queueId,
      reversePath,
      arrivedAt: now,
      size,
      origin,
      body,
      smtputf8,
      ...(ret === undefined ? {} : { ret }),
      ...(envelopeId === undefined ? {} : { envelopeId }),
    }
    const message: MemoryMessage = { stored, bytes, recipients: new Map() }
    this.messages.set(queueId, message)
    for (const routed of recipients) this.#add(message, routed, now)
    const text = acceptedText({ reversePath, size, recipients: recipients.length, origin })
    this.tell(queueId, { at: now, event: 'accepted', text })
  }

  #add(message: MemoryMessage, routed: RoutedRecipient, dueAt: number): void {
    const id = this.#nextRecipient++
    const recipient = { id, message, routed, state: 'waiting' as const, dueAt, attempts: 0 }
    message.recipients.set(id, recipient)
    this.recipients.set(id, recipient)
  }

  tell(queueId: QueueId, event: EventRecord): void {
    const story = this.events.get(queueId)
    if (story === undefined) this.events.set(queueId, [event])
    else story.push(event)
  }

  /** Those of a lane, or of all, that are waiting and due, leased or not, in their order. */
  #due(now: number, lane?: string): readonly MemoryRecipient[] {
    return [...this.recipients.values()]
      .filter((one) => one.state === 'waiting' && one.dueAt <= now)
      .filter((one) => lane === undefined || one.routed.lane === lane)
      .sort((a, b) => a.dueAt - b.dueAt || a.id - b.id)
  }

  dueLanes(now: number): readonly LaneDue[] {
    const lanes = new Map<string, number>()
    for (const { id, routed, dueAt } of this.#due(now)) {
      if (!this.claims.has(id) && !lanes.has(routed.lane)) lanes.set(routed.lane, dueAt)
    }
    return [...lanes].map(([lane, dueAt]) => ({ lane, dueAt }))
  }

  nextDueAfter(now: number): number | undefined {
    const times = [...this.recipients.values()]
      .filter(({ state, dueAt }) => state === 'waiting' && dueAt > now)
      .map(({ dueAt }) => dueAt)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  claim(lane: string, limit: number, now: number): readonly ClaimedRecipient[] {
    const free = this.#due(now, lane).filter(({ id }) => !this.claims.has(id))
    const ofMessages = new Map<QueueId, ClaimedRecipient[]>()
    for (const { id, message, routed, attempts } of free.slice(0, limit)) {
      this.claims.add(id)
      const { queueId } = message.stored
      const others = ofMessages.get(queueId) ?? []
      ofMessages.set(queueId, others)
      others.push({ id, queueId, attempts, ...routed })
    }
    return [...ofMessages.values()].flat()
  }

  settle(settlements: readonly Settlement[], now: number): readonly QueueId[] {
    const touched = new Set<MemoryMessage>()
    for (const settlement of settlements) {
      const recipient = this.recipients.get(settlement.id)
      if (recipient === undefined || !this.claims.delete(settlement.id)) continue
      touched.add(recipient.message)
      this.#settleOne(recipient, settlement, now)
    }
    for (const message of touched) this.#endIfEmpty(message, now)
    return [...touched]
      .filter((message) => this.isReadyForReport(message, now))
      .map(({ stored }) => stored.queueId)
  }

  #settleOne(recipient: MemoryRecipient, settlement: Settlement, at: number): void {
    if ('nextAttemptAt' in settlement) recipient.dueAt = settlement.nextAttemptAt
    if (settlement.kind === 'released') return
    const { kind, outcome } = settlement
    const { address, notify } = recipient.routed
    const text = outcomeText(outcome)
    recipient.attempts++
    recipient.lastText = text.slice(0, LONGEST_LAST_TEXT)
    this.tell(recipient.message.stored.queueId, { at, event: kind, recipient: address, text })
    if (kind === 'deferred') return
    if (kind === 'failed' || notify?.includes('success')) {
      recipient.state = 'reportable'
      recipient.outcome = outcome
    } else this.#forget(recipient)
  }

  #forget({ id, message }: MemoryRecipient): void {
    this.recipients.delete(id)
    message.recipients.delete(id)
  }

  #endIfEmpty({ recipients, stored }: MemoryMessage, at: number): void {
    if (recipients.size > 0 || !this.messages.delete(stored.queueId)) return
    this.tell(stored.queueId, { at, event: 'ended', text: '' })
  }

  isReadyForReport({ recipients }: MemoryMessage, now: number): boolean {
    const all = [...recipients.values()]
    const isBusy = all.some(
      ({ id, state, dueAt }) => this.claims.has(id) || (state === 'waiting' && dueAt <= now),
    )
    return !isBusy && all.some(({ state }) => state === 'reportable')
  }

  #reportable(queueId: QueueId): readonly MemoryRecipient[] {
    const all = this.messages.get(queueId)?.recipients.values() ?? []
    return [...all].filter(({ state }) => state === 'reportable')
  }

  reportableRecipients(queueId: QueueId): readonly ReportableRecipient[] {
    return this.#reportable(queueId).flatMap(({ id, routed, outcome }) => {
      if (outcome === undefined) return []
      const { lane: _, ...named } = routed
      return [{ id, outcome, ...named }]
    })
  }

  report(request: {
    readonly queueId: QueueId
    readonly ids: readonly RecipientId[]
    readonly report?: ReportMessage
    readonly event: EventRecord
  }): QueueId | undefined {
    const { queueId, ids, report, event } = request
    const reported = this.#reportable(queueId).filter(({ id }) => ids.includes(id))
    if (reported.length === 0) return undefined
    const reportId = report === undefined ? undefined : this.#queueReport(report)
    for (const recipient of reported) {
      this.tell(queueId, { ...event, recipient: recipient.routed.address })
      this.#forget(recipient)
      this.#endIfEmpty(recipient.message, event.at)
    }
    return reportId
  }

  #queueReport(report: ReportMessage): QueueId {
    const { shares, prepend, append, reversePath, recipients, now } = report
    const shared = shares === undefined ? undefined : this.messages.get(shares)
    if (shares !== undefined && shared === undefined) throw new Error(`no such message: ${shares}`)
    const bytes = Buffer.concat([prepend, shared?.bytes ?? Buffer.alloc(0), append])
    const queueId = this.nextQueueId()
    const origin = { via: 'report' } as const
    this.accept({ queueId, reversePath, traits: report, origin, bytes, recipients, now })
    return queueId
  }

  counts(now: number): QueueCounts {
    const arrivals = [...this.messages.values()].map(({ stored }) => stored.arrivedAt)
    const oldest = arrivals.length === 0 ? now : Math.min(...arrivals)
    return {
      messages: this.messages.size,
      recipients: this.recipients.size,
      held: 0,
      attempting: this.claims.size,
      oldestSeconds: Math.floor(Math.max(0, now - oldest) / 1_000),
    }
  }

  select(selection: Selection): readonly MemoryRecipient[] {
    const matcher = matcherOf(selection)
    const queueId = selection.queueId?.toUpperCase()
    return [...this.recipients.values()].filter(
      ({ message, routed }) =>
        (queueId === undefined || message.stored.queueId === queueId) &&
        matcher.sender(message.stored.reversePath) &&
        matcher.recipient(routed.address),
    )
  }

  removeByOperator(recipient: MemoryRecipient, at: number): void {
    const { routed, message } = recipient
    const text = 'removed by an operator'
    this.tell(message.stored.queueId, { at, event: 'removed', recipient: routed.address, text })
    this.#forget(recipient)
    this.#endIfEmpty(message, at)
  }

  show(queueId: string): ListedMessage | undefined {
    const message = this.messages.get(queueId.toUpperCase())
    return message === undefined ? undefined : this.listed(message, SHOWN_RECIPIENTS)
  }

  listed(message: MemoryMessage, most: number): ListedMessage {
    const { queueId, arrivedAt, size, reversePath } = message.stored
    const recipientCount = message.recipients.size
    const recipients = [...message.recipients.values()].map((one) => this.#listedRecipient(one))
    return listed({ queueId, arrivedAt, size, reversePath, recipientCount }, recipients, most)
  }

  #listedRecipient(recipient: MemoryRecipient): ListedRecipient {
    const { id, state, routed, attempts, dueAt, lastText } = recipient
    const claimedOrNot = this.claims.has(id) ? 'attempting' : 'waiting'
    return {
      address: routed.address,
      lane: routed.lane,
      attempts,
      nextAttemptAt: dueAt,
      state: state === 'reportable' ? 'failed' : claimedOrNot,
      ...(lastText === undefined ? {} : { lastText }),
    }
  }

  purgeEvents(before: number, limit: number): number {
    let purged = 0
    for (const [queueId, story] of this.events) {
      const ended = story.find(({ event }) => event === 'ended')
      if (ended === undefined || ended.at >= before || purged >= limit) continue
      purged += story.splice(0, limit - purged).length
      for (const [key, id] of this.keys) if (id === queueId) this.keys.delete(key)
      if (story.length === 0) this.events.delete(queueId)
    }
    return purged
  }
}
