/**
 * How leases end, and what follows: one transaction for all that was settled together.
 */

import type { Outcome } from '../../../../contracts/outcome.ts'
import { outcome as outcomeShape } from '../../../../contracts/outcome.ts'
import { formatQueueId, parseQueueId } from '../queue-id.ts'
import { RECIPIENT_STATE } from '../schema.ts'
import type {
  EventRecord,
  QueueId,
  RecipientId,
  ReportableRecipient,
  ReportMessage,
  Settlement,
} from '../store.ts'
import { LONGEST_LAST_TEXT, outcomeText } from '../wording.ts'
import type { Acceptance, Accepting } from './accept.ts'
import { LARGE_SPAN } from './accept.ts'
import type { Claim } from './claims.ts'
import { notifyOf } from './claims.ts'
import type { Command, Query } from './database.ts'
import type { Engine } from './engine.ts'
import type { Content, MessageRow } from './messages.ts'

type ReportableColumns = [
  id: number,
  address: string,
  original: string | null,
  notify: string | null,
  outcome: string | null,
]

/** Messages with reportable recipients looked at in one step. */
const PAGE = 200

export class Settling {
  #engine: Engine
  #accepting: Accepting
  #deferRow: Command
  #moveRow: Command
  #endRow: Command
  #removeRow: Command
  #anyReportable: Query<[id: number]>
  #dueOfSmall: Query<[id: number]>
  #dueOfLarge: Query<[id: number]>
  #reportableMessages: Query<[message: number]>
  #reportableOf: Query<ReportableColumns>
  #oneReportable: Query<[address: string]>

  constructor(engine: Engine, accepting: Accepting) {
    this.#engine = engine
    this.#accepting = accepting
    const { database } = engine
    this.#deferRow = database.command(
      'UPDATE recipient SET due_at = ?, attempts = attempts + 1, last_text = ? WHERE id = ?',
    )
    this.#moveRow = database.command('UPDATE recipient SET due_at = ? WHERE id = ?')
    this.#endRow = database.command(
      `UPDATE recipient SET state = ${RECIPIENT_STATE.reportable}, attempts = attempts + 1,
       last_text = ?, outcome = ? WHERE id = ?`,
    )
    this.#removeRow = database.command('DELETE FROM recipient WHERE id = ?')
    this.#anyReportable = database.query(
      'SELECT id FROM recipient WHERE state = 2 AND message = ? LIMIT 1',
    )
    this.#dueOfSmall = database.query(
      `SELECT id FROM recipient NOT INDEXED
       WHERE id >= ? AND id < ? AND state = 0 AND due_at <= ? LIMIT 1`,
    )
    this.#dueOfLarge = database.query(
      'SELECT id FROM recipient WHERE state = 0 AND large = 1 AND message = ? AND due_at <= ? LIMIT 1',
    )
    this.#reportableMessages = database.query(
      `SELECT DISTINCT message FROM recipient WHERE state = 2 AND message > ?
       ORDER BY message LIMIT ${PAGE}`,
    )
    this.#reportableOf = database.query(
      `SELECT id, address, original, notify, outcome FROM recipient
       WHERE state = 2 AND message = ? ORDER BY id LIMIT +?`,
    )
    this.#oneReportable = database.query(
      'SELECT address FROM recipient WHERE id = ? AND message = ? AND state = 2',
    )
  }

  /** In a write. */
  settle(settlements: readonly Settlement[], now: number): readonly QueueId[] {
    const removed = new Map<number, number>()
    for (const settlement of settlements) {
      const claim = this.#engine.claims.release(settlement.id)
      if (claim === undefined) continue
      const isRemoved = this.#settleOne(settlement, claim, now)
      removed.set(claim.message, (removed.get(claim.message) ?? 0) + (isRemoved ? 1 : 0))
    }
    const ready: QueueId[] = []
    for (const [message, count] of removed) {
      const row = this.#engine.messages.find(message)
      if (row === undefined || this.#engine.messages.takeAway(row, count, now)) continue
      if (this.#isReadyForReport(row, now)) ready.push(row.stored.queueId)
    }
    return ready
  }

  /** Answers whether the recipient's row has gone. */
  #settleOne(settlement: Settlement, claim: Claim, now: number): boolean {
    switch (settlement.kind) {
      case 'delivered':
        return this.#end(settlement, claim, now, claim.tellsSuccess)
      case 'failed':
        return this.#end(settlement, claim, now, true)
      case 'deferred':
      case 'released':
        this.#wait(settlement, claim, now)
    }
    return false
  }

  #wait(
    settlement: Extract<Settlement, { kind: 'deferred' | 'released' }>,
    claim: Claim,
    now: number,
  ): void {
    const { id, nextAttemptAt } = settlement
    this.#engine.lanes.lower(claim.lane, nextAttemptAt)
    if (settlement.kind === 'deferred') {
      const text = this.#tell('deferred', claim, settlement.outcome, now)
      this.#deferRow(nextAttemptAt, text.slice(0, LONGEST_LAST_TEXT), id)
    } else if (nextAttemptAt !== claim.dueAt) this.#moveRow(nextAttemptAt, id)
  }

  #end(
    { id, kind, outcome }: Extract<Settlement, { kind: 'delivered' | 'failed' }>,
    claim: Claim,
    now: number,
    isReportable: boolean,
  ): boolean {
    const text = this.#tell(kind, claim, outcome, now)
    if (!isReportable) {
      this.#removeRow(id)
      return true
    }
    this.#endRow(text.slice(0, LONGEST_LAST_TEXT), JSON.stringify(outcome), id)
    return false
  }

  #tell(event: string, claim: Claim, outcome: Outcome, at: number): string {
    const text = outcomeText(outcome)
    this.#engine.events.add(claim.message, { at, event, recipient: claim.address, text })
    return text
  }

  #isReadyForReport(row: MessageRow, now: number): boolean {
    if (this.#anyReportable.get(row.id) === undefined) return false
    if (this.#engine.claims.hasMessage(row.id)) return false
    const due =
      row.span === LARGE_SPAN
        ? this.#dueOfLarge.get(row.id, now)
        : this.#dueOfSmall.get(row.first, row.first + row.span, now)
    return due === undefined
  }

  /** In a read: ready messages from number `after` on. */
  reportable(now: number, limit: number): readonly QueueId[] {
    const ready: QueueId[] = []
    let last = 0
    while (ready.length < limit) {
      const page = this.#reportableMessages.all(last)
      for (const [message] of page) {
        const row = this.#engine.messages.find(message)
        if (row !== undefined && this.#isReadyForReport(row, now)) ready.push(row.stored.queueId)
      }
      last = page.at(-1)?.[0] ?? last
      if (page.length < PAGE) break
    }
    return ready.slice(0, limit)
  }

  /** In a read. */
  recipients(message: number, limit: number): readonly ReportableRecipient[] {
    return this.#reportableOf.all(message, limit).map(reportableOf)
  }

  /** In a write: the report, if there is one, has the number `reportId`. */
  report(
    request: {
      readonly queueId: QueueId
      readonly ids: readonly RecipientId[]
      readonly report?: ReportMessage
      readonly event: EventRecord
    },
    reportId: number,
  ): QueueId | undefined {
    const row = this.#engine.messages.find(parseQueueId(request.queueId) ?? 0)
    if (row === undefined) return undefined
    const reported = [...new Set(request.ids)].flatMap((id) => {
      const found = this.#oneReportable.get(id, row.id)
      return found === undefined ? [] : [{ id, address: found[0] }]
    })
    if (reported.length === 0) return undefined
    if (request.report !== undefined) this.#queueReport(reportId, request.report)
    for (const { id, address } of reported) {
      this.#removeRow(id)
      this.#engine.events.add(row.id, { ...request.event, recipient: address })
    }
    this.#engine.messages.takeAway(row, reported.length, request.event.at)
    return request.report === undefined ? undefined : formatQueueId(reportId)
  }

  #queueReport(id: number, report: ReportMessage): void {
    const { reversePath, now } = report
    const shared = report.shares === undefined ? undefined : this.#share(report.shares)
    const acceptance: Acceptance = {
      id,
      reversePath,
      traits: report,
      now,
      origin: { via: 'report' },
      prepend: joined(report.prepend, shared?.prepend),
      content: shared?.content ?? { kind: 'none' },
      contentSize: shared?.size ?? 0,
      append: joined(shared?.append, report.append),
    }
    this.#accepting.accept(acceptance, report.recipients)
  }

  #share(queueId: QueueId): {
    readonly prepend: Uint8Array
    readonly content: Content
    readonly append: Uint8Array
    readonly size: number
  } {
    const row = this.#engine.messages.find(parseQueueId(queueId) ?? 0)
    const body = row && this.#engine.messages.body(row.id)
    if (row === undefined || body === undefined) throw new Error(`no such message: ${queueId}`)
    if (row.content !== 0) this.#engine.messages.useContent(row.content)
    return { ...body, size: row.stored.size - body.prepend.length - body.append.length }
  }
}

function joined(first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array {
  return Buffer.concat([first ?? Buffer.alloc(0), second ?? Buffer.alloc(0)])
}

function reportableOf(columns: ReportableColumns): ReportableRecipient {
  const [id, address, original, notifyText, outcomeJson] = columns
  const notify = notifyOf(notifyText)
  const decoded = outcomeShape(JSON.parse(outcomeJson ?? 'null'))
  if (!decoded.ok) throw new Error(`recipient ${id} has no readable outcome: ${decoded.problem}`)
  return {
    id,
    address,
    outcome: decoded.value,
    ...(original === null ? {} : { originalRecipient: original }),
    ...(notify === undefined ? {} : { notify }),
  }
}
