/**
 * One message on its way from the client to the queue.
 *
 * The submission is opened when the first content is about to come, so an abandoned envelope costs the
 * queue nothing. As soon as the content has a problem the submission is cancelled, and the rest is
 * only read to its end.
 */

import type { SubmissionAnswer, SubmissionCommit } from '../../contracts/submission.ts'
import { formatReceived } from '../../protocol/message/received.ts'
import type { ContentLimits } from './content.ts'
import { IncomingContent } from './content.ts'
import type { QueueDoor, Submission } from './enqueue.ts'
import type { ContentProblem } from './refusals.ts'
import type { Envelope, Hello } from './session.ts'

/** What the Received field and the log say of where a message comes from. */
export interface Source {
  readonly client: string
  readonly hello: Hello
  readonly hostname: string
}

export interface Progress {
  /** How many of the bytes belonged to the content. */
  readonly read: number
  /** Settled once the queue wants more. */
  readonly written?: Promise<unknown>
}

export class Transfer {
  readonly #envelope: Envelope
  readonly #content: IncomingContent
  readonly #submission: Submission

  constructor(
    form: 'DATA' | 'BDAT',
    {
      envelope,
      queue,
      limits,
    }: {
      readonly envelope: Envelope
      readonly queue: QueueDoor
      readonly limits: ContentLimits
    },
  ) {
    this.#envelope = envelope
    this.#content = new IncomingContent(form, limits)
    this.#submission = queue.submit(envelope)
  }

  /** The end of content sent with DATA has been read. */
  get ended(): boolean {
    return this.#content.ended
  }

  get problem(): ContentProblem | undefined {
    return this.#content.problem
  }

  get hopeless(): boolean {
    return this.#content.hopeless
  }

  read(bytes: Buffer): Progress {
    const { bytes: content, next } = this.#content.read(bytes, 0)
    if (this.problem !== undefined) this.cancel()
    if (content.length === 0) return { read: next }
    return { read: next, written: this.#submission.write(content) }
  }

  /** Completes the last line of content sent with BDAT. The content may have a problem after this. */
  finishChunks(): Promise<unknown> {
    const rest = this.#content.finish()
    if (this.problem !== undefined) this.cancel()
    return rest === '' ? Promise.resolve() : this.#submission.write(Buffer.from(rest))
  }

  commit(source: Source, at: Date): Promise<SubmissionAnswer> {
    return this.#submission.commit((queueId) => this.#words(source, queueId, at))
  }

  cancel(): void {
    this.#submission.cancel()
  }

  #words({ client, hello, hostname }: Source, queueId: string, at: Date): SubmissionCommit {
    const { reversePath, recipients, traits } = this.#envelope
    const extended = traits.smtputf8 ? 'UTF8SMTP' : 'ESMTP'
    const prepend = formatReceived({
      helo: hello.name,
      client,
      hostname,
      protocol: hello.extended ? extended : 'SMTP',
      queueId,
      recipients: recipients.map(({ address }) => address),
      at: at.getTime(),
      zoneMinutes: -at.getTimezoneOffset(),
    })
    return { reversePath, prepend, origin: { via: 'smtp', client, helo: hello.name }, ...traits }
  }
}
