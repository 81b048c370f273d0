/**
 * Hands one message to the queue, by contracts/submission.ts.
 *
 * Answers a value in every case; a connection that is lost, or an answer that cannot be read, is
 * `deferred`. Content waits for the queue's credit, so one message costs a piece of memory, not its size.
 */

import type {
  NewRecipient,
  SubmissionAnswer,
  SubmissionCommit,
} from '../../contracts/submission.ts'
import { submissionAnswer, submissionOpened } from '../../contracts/submission.ts'
import type { Connection, Stream } from '../../io/connection.ts'
import { batchesOf } from './outgoing.ts'

export interface Submission {
  readonly size: number
  readonly recipients: readonly NewRecipient[]
  /** The content, LF form. */
  readonly content: AsyncIterable<Buffer>
  /** Asked after the last piece; nothing gives the submission up. */
  readonly commit: (queueId: string) => SubmissionCommit | undefined
}

/** Answers nothing if the submission was given up. */
export async function submit(
  connection: Connection,
  submission: Submission,
): Promise<SubmissionAnswer | undefined> {
  const opened = Promise.withResolvers<string>()
  const answered = Promise.withResolvers<SubmissionAnswer>()
  const answer = (value: SubmissionAnswer) => {
    answered.resolve(value)
    opened.resolve('')
  }
  const stream = connection.open(
    { type: 'submit', announcedSize: submission.size },
    {
      onRecord: (value) => {
        const decoded = submissionOpened(value)
        opened.resolve(decoded.ok ? decoded.value.queueId : '')
      },
      onEnd: (value) => {
        const decoded = submissionAnswer(value)
        answer(decoded.ok ? decoded.value : deferred(`the queue's answer: ${decoded.problem}`))
      },
      onCancel: (why) => answer(deferred(`no answer of the queue: ${why}`)),
    },
  )
  try {
    if (!(await sendContent(stream, submission))) return await answered.promise
    const commit = submission.commit(await opened.promise)
    if (commit === undefined) return undefined
    stream.end(commit)
    return await answered.promise
  } finally {
    // Given up, or the content could not be read: nothing of it may stay behind.
    stream.cancel()
  }
}

/** False if the queue has answered before it has all. */
async function sendContent(stream: Stream, submission: Submission): Promise<boolean> {
  for (const batch of batchesOf(submission.recipients)) stream.record(batch)
  for await (const piece of submission.content) {
    if (!(await stream.write(piece))) return false
  }
  return !stream.over
}

function deferred(text: string): SubmissionAnswer {
  return { kind: 'deferred', status: '4.3.0', text }
}
