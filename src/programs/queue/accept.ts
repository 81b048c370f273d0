/**
 * Takes submissions: content and recipients as they come, one answer when all of it is on disk.
 *
 * Nothing is kept here but what has no place yet: the first recipients, until it is known whether
 * they are so many that they wait in a lane for such. The submitter is granted more only as the store
 * has taken what it sent. A submission that breaks its contract is refused and leaves nothing.
 *
 * What it is refused for: refusals.ts. How much may arrive at once: room.ts.
 */

import type {
  NewRecipient,
  SubmissionAnswer,
  SubmissionCommit,
  SubmissionHead,
} from '../../contracts/submission.ts'
import { recipientBatch, submissionCommit } from '../../contracts/submission.ts'
import type { Alarm } from '../../io/clock.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import { DOUBLE_BOUNCE } from '../../policy/bounce.ts'
import { BULK_RECIPIENTS, laneFor } from '../../policy/fairness.ts'
import { route } from '../../policy/routing.ts'
import { NULL_SENDER } from '../../protocol/address/mailbox.ts'
import { laneOf } from './batches.ts'
import type { Refusal } from './refusals.ts'
import {
  BAD_RECIPIENT,
  deferred,
  isRecipient,
  malformed,
  NOT_LF_FORM,
  refusalOf,
  SHORTAGE,
  STOPPING,
  TOO_BIG,
  TOO_MANY_RECIPIENTS,
  TOO_SLOW,
} from './refusals.ts'
import type { Berth, Submitter } from './room.ts'
import { Room } from './room.ts'
import type { Arrival, QueueId } from './store/store.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'

const CR = 0x0d
const NUL = 0
/** Header fields put in front do not count against the size a sender may send. */
const SIZE_SLACK = 65_536
/** Milliseconds without a byte or a recipient, after which an arrival is given up. */
const LONGEST_IDLE = 600_000

export class Acceptor {
  readonly #surroundings: Surroundings
  readonly #onMail: (lanes: Iterable<string>) => void
  readonly #open = new Set<Submission>()
  readonly #room: Room
  #stopped = false

  constructor(surroundings: Surroundings, onMail: (lanes: Iterable<string>) => void) {
    this.#surroundings = surroundings
    this.#onMail = onMail
    this.#room = new Room(surroundings)
  }

  get open(): number {
    return this.#open.size
  }

  accept(stream: Stream, head: SubmissionHead, submitter: Submitter): StreamListener {
    const berth = this.#refusalAtDoor(head) ?? this.#room.enter(submitter, head.announcedSize)
    if (typeof berth === 'string' || 'kind' in berth) {
      stream.end(typeof berth === 'string' ? SHORTAGE[berth] : berth)
      return {}
    }
    const submission = new Submission(stream, this.#surroundings, {
      room: this.#room,
      berth,
      onMail: this.#onMail,
      onOver: () => {
        this.#room.leave(berth)
        this.#open.delete(submission)
      },
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
    const { messageSize } = this.#surroundings.settings().limits
    return announcedSize > messageSize + SIZE_SLACK ? TOO_BIG : undefined
  }
}

interface Owner {
  readonly room: Room
  readonly berth: Berth
  readonly onMail: (lanes: Iterable<string>) => void
  readonly onOver: () => void
}

class Submission {
  readonly #stream: Stream
  readonly #surroundings: Surroundings
  readonly #owner: Owner
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

  #isAsking = false
  /** When something last came, and the alarm that looks whether that is long ago. */
  #movedAt: number
  #idle: Alarm

  constructor(stream: Stream, surroundings: Surroundings, owner: Owner) {
    this.#stream = stream
    this.#surroundings = surroundings
    this.#owner = owner
    this.#arrival = surroundings.store.arrive()
    this.#movedAt = surroundings.clock.now()
    this.#idle = surroundings.clock.after(LONGEST_IDLE, () => this.#lookIfIdle())
    this.#askForRoom()
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
    this.#movedAt = this.#surroundings.clock.now()
    this.#size += bytes.length
    if (bytes.includes(CR) || bytes.includes(NUL)) return this.refuse(NOT_LF_FORM)
    if (this.#size > this.#surroundings.settings().limits.messageSize + SIZE_SLACK) {
      return this.refuse(TOO_BIG)
    }
    const { room, berth } = this.#owner
    if (room.take(berth, bytes.length)) this.#askForRoom()
    this.#step(async () => {
      await this.#arrival.write(bytes)
      this.#stream.grant(bytes.length)
    })
  }

  #takeRecipients(value: unknown): void {
    if (this.#phase !== 'arriving') return
    this.#movedAt = this.#surroundings.clock.now()
    const batch = recipientBatch(value)
    if (!batch.ok) return this.refuse(malformed(batch.problem))
    const { recipients } = batch.value
    if (!recipients.every(isRecipient)) return this.refuse(BAD_RECIPIENT)
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
    const refusal = refusalOf(request.value, this.#recipients, this.#owner.berth.submitter.program)
    if (refusal !== undefined) return this.refuse(refusal)
    this.#addEarly()
    this.#phase = 'committing'
    this.#step(() => this.#store(request.value))
  }

  async #store(request: SubmissionCommit): Promise<void> {
    const now = this.#surroundings.clock.now()
    const reversePath = request.reversePath === DOUBLE_BOUNCE ? NULL_SENDER : request.reversePath
    const queueId = await this.#arrival.commit({
      ...request,
      ...this.#keyOf(request),
      reversePath,
      now,
    })
    this.#close()
    this.#stream.end({ kind: 'accepted', queueId } satisfies SubmissionAnswer)
    this.#tellAccepted(queueId, request)
    this.#owner.onMail(this.#lanes)
  }

  /** Each program has keys of its own: none can guess at another's. */
  #keyOf({ idempotencyKey }: SubmissionCommit): { readonly idempotencyKey?: string } {
    if (idempotencyKey === undefined) return {}
    return { idempotencyKey: `${this.#owner.berth.submitter.program} ${idempotencyKey}` }
  }

  #close(): void {
    this.#phase = 'over'
    this.#idle.cancel()
    this.#owner.onOver()
  }

  #askForRoom(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    const { room, berth } = this.#owner
    this.#step(async () => {
      const shortage = await room.allow(berth)
      this.#isAsking = false
      if (shortage !== undefined) this.#failWith(SHORTAGE[shortage])
    })
  }

  #lookIfIdle(): void {
    if (this.#phase !== 'arriving') return
    const { clock } = this.#surroundings
    const left = this.#movedAt + LONGEST_IDLE - clock.now()
    if (left <= 0) this.refuse(TOO_SLOW)
    else this.#idle = clock.after(left, () => this.#lookIfIdle())
  }

  /** Runs after the steps before it; a failed store fails this submission too. */
  #step(act: () => Promise<void>): void {
    this.#steps = this.#steps
      .then(() => (this.#phase === 'over' ? undefined : act()))
      .catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    if (error instanceof StoreFull) return this.#failWith(SHORTAGE.disk)
    this.#failWith(deferred('4.3.0', 'the queue cannot be written'))
    this.#surroundings.onStoreFailure(error)
  }

  /** Before the store has taken it: also what waits to be committed can still be refused. */
  #failWith(refusal: Refusal): void {
    if (this.#phase === 'committing') this.#phase = 'arriving'
    this.refuse(refusal)
  }

  #abort(): void {
    if (this.#phase !== 'arriving') return
    this.#close()
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
