/**
 * The receiver's way to the queue: is there such a recipient, and here is a message.
 *
 * Whatever goes wrong on the way becomes an answer: no answer in time, an answer that cannot be read
 * and a connection that is lost all mean "try later". `accepted` is passed on, never made here.
 */

import type {
  NewRecipient,
  RecipientAnswer,
  SubmissionAnswer,
  SubmissionCommit,
} from '../../contracts/submission.ts'
import {
  MOST_RECIPIENTS_IN_BATCH,
  recipientAnswer,
  submissionAnswer,
  submissionOpened,
} from '../../contracts/submission.ts'
import type { Connection, Stream } from '../../io/connection.ts'
import { LIMITS } from '../../policy/limits.ts'

/** What a session needs of the queue. */
export interface QueueDoor {
  /** At once where the answer is known already. */
  recipient(address: string): RecipientAnswer | Promise<RecipientAnswer>
  submit(head: {
    readonly recipients: readonly NewRecipient[]
    readonly announcedSize?: number
  }): Submission
}

export interface Submission {
  /** One at a time. False: the queue wants no more, and `commit` will say why. */
  write(bytes: Uint8Array): Promise<boolean>
  /** `words` is given the queue id, for the Received field. Never rejects. */
  commit(words: (queueId: string) => SubmissionCommit): Promise<SubmissionAnswer>
  cancel(): void
}

export function askRecipient(connection: Connection, address: string): Promise<RecipientAnswer> {
  return new Promise((resolve) => {
    const unsure = (because: string) => resolve({ kind: 'unsure', because })
    const timer = setTimeout(() => {
      stream.cancel()
      unsure('the queue has not answered in time')
    }, LIMITS.recipientAnswer.value * 1_000)
    const stream = connection.open(
      { type: 'recipient', address },
      {
        onEnd: (value) => {
          clearTimeout(timer)
          const answer = recipientAnswer(value)
          if (answer.ok) resolve(answer.value)
          else unsure(`the queue's answer cannot be read: ${answer.problem}`)
        },
        onCancel: (why) => {
          clearTimeout(timer)
          unsure(`the queue has not answered: ${why}`)
        },
      },
    )
  })
}

export class QueueSubmission implements Submission {
  readonly #stream: Stream
  readonly #queueId = Promise.withResolvers<string | undefined>()
  readonly #answer = Promise.withResolvers<SubmissionAnswer>()

  constructor(connection: Connection, head: Parameters<QueueDoor['submit']>[0]) {
    const { recipients, announcedSize } = head
    this.#stream = connection.open(
      { type: 'submit', ...(announcedSize === undefined ? {} : { announcedSize }) },
      {
        onRecord: (value) => this.#opened(value),
        onEnd: (value) => this.#ended(value),
        onCancel: () => this.#settle(QUEUE_AWAY),
      },
    )
    for (let from = 0; from < recipients.length; from += MOST_RECIPIENTS_IN_BATCH) {
      this.#stream.record({ recipients: recipients.slice(from, from + MOST_RECIPIENTS_IN_BATCH) })
    }
  }

  write(bytes: Uint8Array): Promise<boolean> {
    return this.#stream.write(bytes)
  }

  async commit(words: (queueId: string) => SubmissionCommit): Promise<SubmissionAnswer> {
    const timer = setTimeout(() => {
      this.cancel()
      this.#settle(TOO_SLOW)
    }, LIMITS.submissionAnswer.value * 1_000)
    const queueId = await this.#queueId.promise
    if (queueId !== undefined) this.#stream.end(words(queueId))
    const answer = await this.#answer.promise
    clearTimeout(timer)
    return answer
  }

  cancel(): void {
    this.#stream.cancel()
  }

  #opened(value: unknown): void {
    const opened = submissionOpened(value)
    if (opened.ok) return this.#queueId.resolve(opened.value.queueId)
    this.cancel()
    this.#settle(UNREADABLE)
  }

  #ended(value: unknown): void {
    const answer = submissionAnswer(value)
    this.#settle(answer.ok ? answer.value : UNREADABLE)
  }

  #settle(answer: SubmissionAnswer): void {
    this.#answer.resolve(answer)
    this.#queueId.resolve(undefined)
  }
}

const away = { kind: 'deferred', status: '4.3.0' } as const
const QUEUE_AWAY: SubmissionAnswer = { ...away, text: 'cannot take mail now, try later' }
const TOO_SLOW: SubmissionAnswer = { ...away, text: 'this takes too long, try later' }
const UNREADABLE: SubmissionAnswer = { ...away, text: 'internal trouble, try later' }
