/**
 * Takes one file from the drop directory: into the queue, or back to its submitter as a notice.
 *
 * A message that may never be sent is given back before its file goes: a notice is queued first. Device,
 * inode and change time are the idempotency key of both, so that a crash between the queue's
 * commit and the removal of the file repeats nothing. What the queue has not taken for days is given back
 * too: nothing lies here for ever.
 */

import type { DropLimits, DropProblem, Invocation } from '../../contracts/drop-file.ts'
import type { TemporaryStatus } from '../../contracts/outcome.ts'
import type { PickupSettings } from '../../contracts/settings.ts'
import type { SubmissionAnswer, SubmissionCommit } from '../../contracts/submission.ts'
import type { Connection } from '../../io/connection.ts'
import { LIMITS } from '../../policy/limits.ts'
import type { CompletedSubmission, SubmissionProblem } from '../../policy/submission.ts'
import { completeSubmission } from '../../policy/submission.ts'
import { accountOf } from '../../policy/submitter.ts'
import { NULL_SENDER } from '../../protocol/address/mailbox.ts'
import { formatDate } from '../../protocol/message/date.ts'
import { HopCounter } from '../../protocol/message/hop-count.ts'
import type { OpenedFile } from './drop-directory.ts'
import type { ContentProblem, DropMessage } from './drop-message.ts'
import { MessageReader, readAt, readDropMessage } from './drop-message.ts'
import { formatNotice, NOTICE_QUOTES } from './notice.ts'
import { concernsEverybody, contractProblem } from './outgoing.ts'
import { submit } from './submit.ts'

export interface TakeContext {
  readonly connection: Connection
  readonly settings: PickupSettings
  readonly now: () => number
  readonly zoneMinutes: (now: number) => number
  readonly unique: () => string
}

/** `returned`: a notice is queued. `foreign`: it is no message of ours. */
export type Taken =
  | { readonly kind: 'accepted'; readonly queueId: string; readonly sender: string }
  | { readonly kind: 'returned'; readonly queueId: string; readonly why: string }
  | Deferred
  | { readonly kind: 'foreign'; readonly why: string; readonly remove: boolean }

interface Deferred {
  readonly kind: 'deferred'
  readonly why: string
  /** The queue takes nothing from anybody now. */
  readonly everybody: boolean
}

/** A message the queue has not taken for so long is given back to its submitter. */
export const GIVEN_BACK_AFTER_DAYS = 5
const DAY = 86_400_000

/** Bytes of a file in front of its message: arguments are limited by the system, to 2 MB on Linux. */
const LONGEST_HEAD = 4_194_304

export async function take(file: OpenedFile, context: TakeContext): Promise<Taken> {
  const { limits } = context.settings
  const dropLimits: DropLimits = { head: LONGEST_HEAD, recipients: limits.recipientsPerMessage }
  const message = await readDropMessage(file.handle, file.size, dropLimits)
  if (!message.ok) return takeBroken(file, message.problem, context)
  const sent = await send(file, message.value, context).catch(unsent)
  if (sent.kind === 'accepted') return sent
  if (sent.kind === 'failed') {
    return giveBack(file, { problem: sent, message: message.value }, context)
  }
  const problem = expired(file, sent, context.now())
  if (problem === undefined) return deferredOf(sent, file.size)
  return giveBack(file, { problem, message: message.value }, context)
}

/** It could not be read, for one. */
function unsent(error: unknown): Sent {
  return { kind: 'deferred', status: '4.3.0', text: (error as Error).message }
}

/** The owner of a file cannot make it older than it is. */
function expired(
  { status }: OpenedFile,
  last: { readonly text: string },
  now: number,
): SubmissionProblem | undefined {
  if (now - status.changedAt <= GIVEN_BACK_AFTER_DAYS * DAY) return undefined
  return {
    status: '5.4.7',
    text: `For ${GIVEN_BACK_AFTER_DAYS} days it could not be taken into the queue. The last reason: ${last.text}`,
  }
}

function deferredOf({ status, text }: NotNow, size: number, why = `${status} ${text}`): Deferred {
  return { kind: 'deferred', why, everybody: concernsEverybody(status, size) }
}

/** What is not of our kind was never accepted from anybody; what is, but broken, goes back. */
async function takeBroken(
  file: OpenedFile,
  problem: DropProblem,
  context: TakeContext,
): Promise<Taken> {
  if (problem === 'not a drop file') return { kind: 'foreign', why: problem, remove: true }
  if (problem === 'of another version') return { kind: 'foreign', why: problem, remove: false }
  const text = `The file in the drop directory cannot be used: ${problem}.`
  return giveBack(file, { problem: { status: '5.6.0', text } }, context)
}

interface NotNow {
  readonly kind: 'deferred'
  readonly status: TemporaryStatus
  readonly text: string
}
type Sent =
  | { readonly kind: 'accepted'; readonly queueId: string; readonly sender: string }
  | NotNow
  | ({ readonly kind: 'failed' } & SubmissionProblem)

async function send(file: OpenedFile, message: DropMessage, context: TakeContext): Promise<Sent> {
  const { hostname, limits } = context.settings
  const size = message.end - message.start
  if (size > limits.messageSize) return failed(tooLarge(size, limits.messageSize))
  const reader = new MessageReader(file.handle, message)
  const first = await reader.header(LIMITS.header.value)
  if (reader.problem !== undefined) return failed(badContent(reader.problem))
  const completed = completeSubmission(first, message.invocation, {
    uid: file.uid,
    names: { defaultHost: hostname },
    now: context.now(),
    unique: context.unique(),
    mostRecipients: limits.recipientsPerMessage,
  })
  if (!completed.ok) return failed(completed.problem)
  // Completed, it may have become longer than it came.
  const longest = Math.max(completed.value.bodyStart, completed.value.header.length)
  if (longest > LIMITS.header.value) {
    return failed(badContent('the header is too long'))
  }
  const body = first.subarray(completed.value.bodyStart)
  return sendCompleted(file, { message, completed: completed.value, body, reader }, context)
}

interface Sending {
  readonly message: DropMessage
  readonly completed: CompletedSubmission
  /** What of the body has been read with the header. */
  readonly body: Buffer
  readonly reader: MessageReader
}

async function sendCompleted(
  file: OpenedFile,
  sending: Sending,
  context: TakeContext,
): Promise<Sent> {
  const { completed, reader, message } = sending
  const hops = new HopCounter()
  hops.read(completed.header)
  if (hops.hops + message.invocation.hops > context.settings.limits.hops) return failed(LOOPING)
  const problem = contractProblem(
    completed.recipients,
    commitOf(file, sending, { context, queueId: '' }),
  )
  if (problem !== undefined) return failed(unfit(problem))
  const answer = await submit(context.connection, {
    size: message.end - message.start,
    recipients: completed.recipients,
    content: contentOf(sending),
    commit: (queueId) =>
      reader.problem === undefined ? commitOf(file, sending, { context, queueId }) : undefined,
  })
  if (reader.problem !== undefined) return failed(badContent(reader.problem))
  return sentOf(answer, completed.reversePath)
}

async function* contentOf({ completed, body, reader }: Sending): AsyncGenerator<Buffer> {
  yield completed.header
  if (body.length > 0) yield body
  for (let piece = await reader.next(); piece !== undefined; piece = await reader.next()) {
    yield piece
  }
}

function commitOf(
  file: OpenedFile,
  { completed, message, reader }: Sending,
  { context, queueId }: { readonly context: TakeContext; readonly queueId: string },
): SubmissionCommit {
  const { ret, envelopeId, eightBit } = message.invocation
  return {
    reversePath: completed.reversePath,
    prepend: receivedField(file.uid, queueId, context),
    origin: { via: 'drop', uid: file.uid },
    idempotencyKey: file.key,
    body: eightBit || reader.eightBit ? '8bitmime' : '7bit',
    smtputf8: completed.smtputf8,
    ...(ret === undefined ? {} : { ret }),
    ...(envelopeId === undefined ? {} : { envelopeId }),
  }
}

/** RFC 5321 section 4.4, without a client: there was none. The uid is the file's owner. */
function receivedField(uid: number, queueId: string, context: TakeContext): string {
  const now = context.now()
  const id = queueId === '' ? '' : ` id ${queueId}`
  const date = formatDate(now, context.zoneMinutes(now))
  return `Received: by ${context.settings.hostname} (Postern, from userid ${uid})${id};\n\t${date}\n`
}

function sentOf(answer: SubmissionAnswer | undefined, sender: string): Sent {
  if (answer === undefined) return GIVEN_UP
  return answer.kind === 'accepted' ? { ...answer, sender } : answer
}

/** Queues a notice: to the submitter's account, or where that is refused, to the postmaster. */
async function giveBack(
  file: OpenedFile,
  failure: { readonly problem: SubmissionProblem; readonly message?: DropMessage },
  context: TakeContext,
): Promise<Taken> {
  const { hostname } = context.settings
  const invocation: Partial<Invocation> = failure.message?.invocation ?? {}
  const account = accountOf({ ...invocation }, file.uid)
  let deferred: Deferred = { kind: 'deferred', why: failure.problem.text, everybody: false }
  for (const name of [account, 'postmaster']) {
    const to = `${name}@${hostname}`
    const answer = (await submitNotice(file, { ...failure, to }, context)) ?? GIVEN_UP
    if (answer.kind === 'accepted') {
      return { kind: 'returned', queueId: answer.queueId, why: deferred.why }
    }
    const why = `${failure.problem.text} The notice to ${name}: ${answer.text}`
    if (answer.kind === 'deferred') return deferredOf(answer, 0, why)
    deferred = { ...deferred, why }
  }
  return deferred
}

async function submitNotice(
  file: OpenedFile,
  failure: {
    readonly problem: SubmissionProblem
    readonly message?: DropMessage
    readonly to: string
  },
  context: TakeContext,
): Promise<SubmissionAnswer | undefined> {
  const { start, end } = failure.message ?? { start: 0, end: file.size }
  const firstPart = await readAt(file.handle, start, Math.min(NOTICE_QUOTES, end - start))
  const now = context.now()
  const content = formatNotice({
    hostname: context.settings.hostname,
    to: failure.to,
    uid: file.uid,
    now,
    zoneMinutes: context.zoneMinutes(now),
    unique: context.unique(),
    problem: failure.problem,
    firstPart,
    cut: end - start > NOTICE_QUOTES,
  })
  return submit(context.connection, {
    size: content.length,
    recipients: [{ address: failure.to }],
    content: (async function* () {
      yield content
    })(),
    commit: (queueId) => ({
      reversePath: NULL_SENDER,
      prepend: receivedField(file.uid, queueId, context),
      origin: { via: 'drop', uid: file.uid },
      idempotencyKey: `${file.key}/notice`,
      body: '8bitmime',
      smtputf8: false,
    }),
  })
}

function failed(problem: SubmissionProblem): Sent {
  return { kind: 'failed', ...problem }
}

function tooLarge(size: number, most: number): SubmissionProblem {
  return { status: '5.3.4', text: `The message has ${size} bytes; this host takes ${most}.` }
}

function badContent(problem: ContentProblem): SubmissionProblem {
  return { status: '5.6.0', text: `The message cannot be sent as mail: ${problem}.` }
}

const LOOPING: SubmissionProblem = {
  status: '5.4.6',
  text: 'The message has passed through too many hosts; it is going in circles.',
}

function unfit(problem: string): SubmissionProblem {
  return { status: '5.6.0', text: `The message cannot be handed to the queue: ${problem}.` }
}

/** The message was found unfit while it was being sent, or the queue went away. */
const GIVEN_UP: NotNow = { kind: 'deferred', status: '4.3.0', text: 'given up' }
