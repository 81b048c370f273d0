/**
 * Tells senders what became of their messages.
 *
 * A report is queued in the same transaction that removes the recipients it is about, so each is
 * told of exactly once, whatever happens in between. One at a time: reports are never urgent.
 */

import type { ReportDecision } from '../../policy/bounce.ts'
import { whoIsTold } from '../../policy/bounce.ts'
import { route } from '../../policy/routing.ts'
import type { ReportedRecipient } from '../../protocol/report/action.ts'
import { isAscii } from '../../protocol/report/action.ts'
import type { DsnKind } from '../../protocol/report/dsn.ts'
import { writeDsn } from '../../protocol/report/dsn.ts'
import { laneOf } from './batches.ts'
import type { Endings } from './endings.ts'
import type {
  EventRecord,
  QueueId,
  ReportableRecipient,
  ReportMessage,
  StoredMessage,
} from './store/store.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'

type Told = Exclude<ReportDecision<ReportableRecipient>, { kind: 'nobody' }>

/** Messages returned whole are at most this long; of longer ones the header is. */
const LONGEST_RETURNED = 51_200
const LONGEST_HEADER = 65_536
const MOST_IN_REPORT = 500
const MOST_WAITING = 1_000
const RETRY_DELAY = 60_000
/** So many messages in a row that had nothing to report after all: enough for now. */
const MOST_BARREN = 200

export class Reporter {
  readonly #surroundings: Surroundings
  readonly #endings: Endings
  readonly #onMail: (lanes: Iterable<string>) => void
  readonly #waiting = new Set<QueueId>()
  #working = false
  #stopped = false

  constructor(
    surroundings: Surroundings,
    endings: Endings,
    onMail: (lanes: Iterable<string>) => void,
  ) {
    this.#surroundings = surroundings
    this.#endings = endings
    this.#onMail = onMail
  }

  get busy(): boolean {
    return this.#working
  }

  /** These messages have something to report. What finds no place here is found in the store. */
  add(queueIds: readonly QueueId[]): void {
    for (const queueId of queueIds) {
      if (this.#waiting.size < MOST_WAITING) this.#waiting.add(queueId)
    }
    if (queueIds.length > 0) void this.#work()
  }

  /** Looks in the store for what an earlier process, or a full list, has left. */
  resume(): void {
    void this.#work()
  }

  stop(): void {
    this.#stopped = true
  }

  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    const { log, clock, onStoreFailure } = this.#surroundings
    let barren = 0
    try {
      while (!this.#stopped && (this.#waiting.size > 0 || (await this.#fill()))) {
        const [queueId] = this.#waiting
        if (queueId === undefined) break
        barren = (await this.#report(queueId)) ? 0 : barren + 1
        this.#waiting.delete(queueId)
        if (barren > MOST_BARREN) break
      }
    } catch (error) {
      if (!(error instanceof StoreFull)) return onStoreFailure(error)
      log.write({ event: 'disk-full', fields: { text: 'reports are made later' } })
      clock.after(RETRY_DELAY, () => void this.#work())
    } finally {
      this.#working = false
    }
  }

  async #fill(): Promise<boolean> {
    const { store, clock } = this.#surroundings
    const found = await store.reportable(clock.now(), 100)
    for (const queueId of found) this.#waiting.add(queueId)
    return found.length > 0
  }

  /** Answers whether there was anything to report. */
  async #report(queueId: QueueId): Promise<boolean> {
    const { store } = this.#surroundings
    let any = false
    for (;;) {
      const message = await store.message(queueId)
      const ended = await store.reportableRecipients(queueId, MOST_IN_REPORT)
      if (message === undefined || ended.length === 0) break
      await this.#reportOn(message, ended)
      any = true
      if (ended.length < MOST_IN_REPORT) break
    }
    if (any) await this.#endings.look([queueId])
    return any
  }

  async #reportOn(message: StoredMessage, ended: readonly ReportableRecipient[]): Promise<void> {
    const { store, clock, log } = this.#surroundings
    const { queueId } = message
    const decision = whoIsTold(message.reversePath, ended)
    const report = decision.kind === 'nobody' ? undefined : await this.#write(message, decision)
    const event = eventOf(decision, report, clock.now())
    const ids = ended.map(({ id }) => id)
    const reportId = await store.report({
      queueId,
      ids,
      event,
      ...(report === undefined ? {} : { report }),
    })
    const fields = { recipients: ids.length, text: event.text, report: reportId }
    log.write({ event: event.event, queueId, fields })
    if (report !== undefined) this.#onMail(report.recipients.map(({ lane }) => lane))
  }

  async #write(message: StoredMessage, told: Told): Promise<ReportMessage> {
    const { settings, clock, token } = this.#surroundings
    const { hostname } = settings()
    const to = told.kind === 'sender' ? message.reversePath : settings().local.postmaster
    const whole = returnsWhole(message, told)
    const returned = whole ? 'content' : { header: await this.#headerOf(message.queueId) }
    const now = clock.now()
    const pieces = writeDsn({
      kind: kindOf(told),
      hostname,
      to,
      now,
      token: token(),
      about: { ...message, eightBit: message.body === '8bitmime' },
      recipients: told.about.map(reportedOf),
      returned,
    })
    const lane = laneOf(route(to, settings()))
    const smtputf8 =
      message.smtputf8 || ![to, ...told.about.map((one) => one.address)].every(isAscii)
    return {
      reversePath: told.reversePath,
      recipients: [{ address: to, lane }],
      ...pieces,
      ...(whole ? { shares: message.queueId } : {}),
      body: message.body === '8bitmime' || smtputf8 ? '8bitmime' : '7bit',
      smtputf8,
      now,
    }
  }

  async #headerOf(queueId: QueueId): Promise<Uint8Array> {
    let header = Buffer.alloc(0)
    for await (const piece of this.#surroundings.store.readContent(queueId)) {
      header = Buffer.concat([header, piece])
      const end = header.indexOf('\n\n')
      if (end !== -1) return header.subarray(0, end + 1)
      if (header.length >= LONGEST_HEADER) break
    }
    return header.subarray(0, LONGEST_HEADER)
  }
}

function kindOf({ kind, about }: Told): DsnKind {
  if (kind === 'postmaster') return 'double'
  return about.some(({ outcome }) => outcome.kind === 'failed') ? 'failure' : 'success'
}

/** RFC 3461 section 4.3: RET says what a report of failure returns; success returns the header. */
function returnsWhole(message: StoredMessage, told: Told): boolean {
  const wanted = message.ret !== 'hdrs' && kindOf(told) !== 'success'
  return wanted && message.size <= LONGEST_RETURNED
}

function reportedOf({
  address,
  originalRecipient,
  outcome,
}: ReportableRecipient): ReportedRecipient {
  const { status, text, host, reply } = outcome
  const action = outcome.kind === 'delivered' ? 'delivered' : 'failed'
  return { address, originalRecipient, action, status, text, host, reply }
}

function eventOf(
  decision: ReportDecision<ReportableRecipient>,
  report: ReportMessage | undefined,
  at: number,
): EventRecord {
  if (decision.kind !== 'nobody') {
    const to = report?.recipients[0]?.address ?? ''
    return { at, event: 'reported', text: `to <${to}>: ${decision.because}` }
  }
  return { at, event: decision.lost ? 'discarded' : 'unreported', text: decision.because }
}
