/**
 * Takes submissions: content and recipients as they come, one answer when all of it is on disk.
 *
 * Nothing is kept here but what has no place yet: the first recipients, until it is known whether
 * they are so many that they wait in a lane for such. The submitter is granted more only as the store
 * has taken what it sent. A submission that breaks its contract is refused and leaves nothing.
 */

import type { PermanentStatus, TemporaryStatus } from '../../contracts/outcome.ts'
import type {
  NewRecipient,
  SubmissionAnswer,
  SubmissionCommit,
  SubmissionHead,
} from '../../contracts/submission.ts'
import { recipientBatch, submissionCommit } from '../../contracts/submission.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import { DOUBLE_BOUNCE } from '../../policy/bounce.ts'
import { BULK_RECIPIENTS, laneFor } from '../../policy/fairness.ts'
import { route } from '../../policy/routing.ts'
import { NULL_SENDER } from '../../protocol/address/mailbox.ts'
import { laneOf } from './batches.ts'
import type { Arrival, QueueId } from './store/store.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'

type Refusal = Exclude<SubmissionAnswer, { kind: 'accepted' }>

const MOST_ARRIVALS = 1_000
/** Header fields put in front do not count against the size a sender may send. */
const SIZE_SLACK = 65_536
const FREE_BYTES_MEMORY = 1_000

export class Acceptor {
  readonly #surroundings: Surroundings
  readonly #onMail: (lanes: Iterable<string>) => void
  readonly #open = new Set<Submission>()
  #free: { readonly at: number; readonly bytes: number | undefined } | undefined
  #asking = false
  #stopped = false

  constructor(surroundings: Surroundings, onMail: (lanes: Iterable<string>) => void) {
    this.#surroundings = surroundings
    this.#onMail = onMail
  }

  get open(): number {
    return this.#open.size
  }

  accept(stream: Stream, head: SubmissionHead): StreamListener {
    const refusal = this.#refusalAtDoor(head)
    if (refusal !== undefined) {
      stream.end(refusal)
      return {}
    }
    const submission = new Submission(stream, this.#surroundings, {
      onMail: this.#onMail,
      onOver: () => this.#open.delete(submission),
    })
    this.#open.add(submission)
    return submission.listener()
  }

  /** Refuses what is open and has not yet been committed, and all that comes. */
  stop(): void {
    this.#stopped = true
    for (const submission of this.#open) submission.refuse(STOPPING)
  }

  #refusalAtDoor({ announcedSize = 0 }: SubmissionHead): Refusal | undefined {
    if (this.#stopped) return STOPPING
    if (this.#open.size >= MOST_ARRIVALS) return deferred('4.3.2', 'too many messages at once')
    const { limits } = this.#surroundings.settings()
    if (announcedSize > limits.messageSize + SIZE_SLACK) return TOO_BIG
    const free = this.#freeBytes()
    return free !== undefined && free - announcedSize < limits.diskFree ? DISK_FULL : undefined
  }

  /** What was free a moment ago; asks anew when that is long enough past. */
  #freeBytes(): number | undefined {
    const { clock, freeBytes } = this.#surroundings
    const now = clock.now()
    if (!this.#asking && (this.#free === undefined || now - this.#free.at >= FREE_BYTES_MEMORY)) {
      this.#asking = true
      void freeBytes()
        .then((bytes) => (this.#free = { at: clock.now(), bytes }))
        .finally(() => (this.#asking = false))
    }
    return this.#free?.bytes
  }
}

class Submission {
  readonly #stream: Stream
  readonly #surroundings: Surroundings
  readonly #owner: {
    readonly onMail: (lanes: Iterable<string>) => void
    readonly onOver: () => void
  }
  readonly #arrival: Arrival
  readonly #lanes = new Set<string>()
  /** Recipients not yet handed to the store; absent once the message is known to be for many. */
  #early: NewRecipient[] | undefined = []
  #first = ''
  #recipients = 0
  #size = 0
  /** Steps of the store, one after another. */
  #steps: Promise<void> = Promise.resolve()
  #phase: 'arriving' | 'committing' | 'over' = 'arriving'

  constructor(
    stream: Stream,
    surroundings: Surroundings,
    owner: { readonly onMail: (lanes: Iterable<string>) => void; readonly onOver: () => void },
  ) {
    this.#stream = stream
    this.#surroundings = surroundings
    this.#owner = owner
    this.#arrival = surroundings.store.arrive()
  }

  listener(): StreamListener {
    this.#stream.record({ queueId: this.#arrival.queueId })
    return {
      onData: (bytes) => this.#takeData(bytes),
      onRecord: (value) => this.#takeRecipients(value),
      onEnd: (value) => this.#commit(value),
      onCancel: () => this.#abort(),
    }
  }

  /** Answers no, unless it is being committed already. */
  refuse(refusal: Refusal): void {
    if (this.#phase !== 'arriving') return
    this.#stream.end(refusal)
    this.#abort()
    const { status, text } = refusal
    this.#tell('refused', { status, text })
  }

  #takeData(bytes: Buffer): void {
    if (this.#phase !== 'arriving') return
    this.#size += bytes.length
    if (bytes.includes(CR) || bytes.includes(NUL)) return this.refuse(NOT_LF_FORM)
    if (this.#size > this.#surroundings.settings().limits.messageSize + SIZE_SLACK) {
      return this.refuse(TOO_BIG)
    }
    this.#step(async () => {
      await this.#arrival.write(bytes)
      this.#stream.grant(bytes.length)
    })
  }

  #takeRecipients(value: unknown): void {
    if (this.#phase !== 'arriving') return
    const batch = recipientBatch(value)
    if (!batch.ok) return this.refuse(malformed(batch.problem))
    const { recipients } = batch.value
    if (!recipients.every(isCleanRecipient)) return this.refuse(BAD_RECIPIENT)
    this.#recipients += recipients.length
    const { recipientsPerMessage } = this.#surroundings.settings().limits
    if (this.#recipients > recipientsPerMessage) return this.refuse(TOO_MANY_RECIPIENTS)
    this.#first ||= recipients[0]?.address ?? ''
    if (this.#early === undefined) return this.#addRecipients(recipients)
    this.#early.push(...recipients)
    if (this.#recipients > BULK_RECIPIENTS) this.#addEarly()
  }

  #addEarly(): void {
    const early = this.#early ?? []
    this.#early = undefined
    if (early.length > 0) this.#addRecipients(early)
  }

  #addRecipients(recipients: readonly NewRecipient[]): void {
    const settings = this.#surroundings.settings()
    const routed = recipients.map((recipient) => {
      const lane = laneFor(laneOf(route(recipient.address, settings)), this.#recipients)
      this.#lanes.add(lane)
      return { ...recipient, lane }
    })
    this.#step(() => this.#arrival.addRecipients(routed))
  }

  #commit(value: unknown): void {
    if (this.#phase !== 'arriving') return
    const request = submissionCommit(value)
    if (!request.ok) return this.refuse(malformed(request.problem))
    const refusal = refusalOf(request.value) ?? (this.#recipients === 0 ? NO_RECIPIENTS : undefined)
    if (refusal !== undefined) return this.refuse(refusal)
    this.#addEarly()
    this.#phase = 'committing'
    this.#step(() => this.#store(request.value))
  }

  async #store(request: SubmissionCommit): Promise<void> {
    const now = this.#surroundings.clock.now()
    const reversePath = request.reversePath === DOUBLE_BOUNCE ? NULL_SENDER : request.reversePath
    const queueId = await this.#arrival.commit({ ...request, reversePath, now })
    this.#phase = 'over'
    this.#owner.onOver()
    this.#stream.end({ kind: 'accepted', queueId } satisfies SubmissionAnswer)
    this.#tellAccepted(queueId, request)
    this.#owner.onMail(this.#lanes)
  }

  /** Runs after the steps before it; a failed store fails this submission too. */
  #step(act: () => Promise<void>): void {
    this.#steps = this.#steps
      .then(() => (this.#phase === 'over' ? undefined : act()))
      .catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    this.#phase = 'arriving'
    if (error instanceof StoreFull) return this.refuse(DISK_FULL)
    this.refuse(deferred('4.3.0', 'the queue cannot be written'))
    this.#surroundings.onStoreFailure(error)
  }

  #abort(): void {
    if (this.#phase !== 'arriving') return
    this.#phase = 'over'
    this.#owner.onOver()
    this.#steps = this.#steps
      .then(() => this.#arrival.abort())
      .catch((error: unknown) => {
        if (!(error instanceof StoreFull)) this.#surroundings.onStoreFailure(error)
      })
  }

  #tellAccepted(queueId: QueueId, request: SubmissionCommit): void {
    const { via, client, helo, uid } = request.origin
    this.#tell(
      queueId === this.#arrival.queueId ? 'accepted' : 'accepted-before',
      {
        from: `<${request.reversePath}>`,
        to: `<${this.#first}>`,
        recipients: this.#recipients,
        size: this.#size + request.prepend.length,
        via,
        client,
        helo,
        uid,
      },
      queueId,
    )
  }

  #tell(
    event: string,
    fields: Readonly<Record<string, string | number | undefined>>,
    queueId = this.#arrival.queueId,
  ): void {
    this.#surroundings.log.write({ event, queueId, fields })
  }
}

const CR = 0x0d
const NUL = 0

function deferred(status: TemporaryStatus, text: string): Refusal {
  return { kind: 'deferred', status, text }
}

function failed(status: PermanentStatus, text: string): Refusal {
  return { kind: 'failed', status, text }
}

const STOPPING = deferred('4.3.2', 'the system is going down')
const DISK_FULL = deferred('4.3.1', 'not enough room on the disk')
const TOO_BIG = failed('5.3.4', 'the message is too big')
const NOT_LF_FORM = failed('5.6.0', 'the message holds a CR or a NUL')
const BAD_RECIPIENT = failed('5.1.3', 'a recipient address holds a control character')
const BAD_SENDER = failed('5.1.7', 'the sender address holds a control character')
const NO_RECIPIENTS = failed('5.5.1', 'the message has no recipients')
const TOO_MANY_RECIPIENTS = failed('5.5.3', 'the message has too many recipients')

/** A program that breaks the contract may be old, broken or taken over: none is the message's fault. */
function malformed(problem: string): Refusal {
  return deferred('4.3.0', `malformed submission: ${problem}`.slice(0, 500))
}

function refusalOf({ reversePath, prepend, envelopeId, origin }: SubmissionCommit) {
  if (hasControls(reversePath)) return BAD_SENDER
  if (/[\r\0]/.test(prepend) || (prepend !== '' && !prepend.endsWith('\n'))) return NOT_LF_FORM
  if (envelopeId !== undefined && hasControls(envelopeId)) return malformed('envelope id')
  return origin.via === 'report' ? malformed('reports are made by the queue') : undefined
}

function isCleanRecipient({ address, originalRecipient = '' }: NewRecipient): boolean {
  return address !== '' && !hasControls(address) && !hasControls(originalRecipient)
}

function hasControls(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text)
}
