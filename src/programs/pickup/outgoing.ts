/**
 * What is about to be handed to the queue, held against the contract (contracts/submission.ts) first, and
 * what the queue's answer means for other files.
 *
 * Whatever a user can write must never become a submission that breaks the contract: the queue would have
 * to take pickup for broken, and the file would be tried for ever. It goes back to its user instead.
 */

import { LONGEST_PAYLOAD } from '../../contracts/frame.ts'
import type { TemporaryStatus } from '../../contracts/outcome.ts'
import type { NewRecipient, RecipientBatch, SubmissionCommit } from '../../contracts/submission.ts'
import {
  MOST_RECIPIENTS_IN_BATCH,
  newRecipient,
  submissionCommit,
} from '../../contracts/submission.ts'

/** Room for the record around them. */
const BATCH_BYTES = LONGEST_PAYLOAD - 1_024

/** Recipients in records that the connection can carry: few enough, and short enough together. */
export function* batchesOf(recipients: readonly NewRecipient[]): Generator<RecipientBatch> {
  let batch: NewRecipient[] = []
  let bytes = 0
  for (const recipient of recipients) {
    const size = Buffer.byteLength(JSON.stringify(recipient)) + 1
    if (batch.length === MOST_RECIPIENTS_IN_BATCH || bytes + size > BATCH_BYTES) {
      yield { recipients: batch }
      batch = []
      bytes = 0
    }
    batch.push(recipient)
    bytes += size
  }
  if (batch.length > 0) yield { recipients: batch }
}

/** What of a submission breaks the contract; nothing if it keeps to it. */
export function contractProblem(
  recipients: readonly NewRecipient[],
  commit: SubmissionCommit,
): string | undefined {
  const decoded = submissionCommit(commit)
  if (!decoded.ok) return decoded.problem
  for (const recipient of recipients) {
    const read = newRecipient(recipient)
    if (!read.ok) return `recipient: ${read.problem}`
  }
  return undefined
}

/** A small message always finds room, unless there is none for anybody. */
const SMALL = 65_536

/**
 * Whether a deferral says that the queue takes nothing from anybody: its disk is full (4.3.1) or it has
 * too much to do (4.3.2, RFC 3463 section 3.4). That a large message finds no room says nothing of
 * others, and neither does any other answer: one user's message must not hold up everybody's.
 */
export function concernsEverybody(status: TemporaryStatus, size: number): boolean {
  return size <= SMALL && (status === '4.3.1' || status === '4.3.2')
}
