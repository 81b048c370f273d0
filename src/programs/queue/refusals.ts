/**
 * What a submission is refused for, and in which words.
 *
 * No partner is believed more than it needs: a receiver speaks for SMTP, pickup for the drop directory;
 * addresses are what the project's own parser accepts. What no sender could have caused is temporary.
 *
 * RFC 3463 (status codes).
 */

import type { PermanentStatus, TemporaryStatus } from '../../contracts/outcome.ts'
import type {
  NewRecipient,
  SubmissionAnswer,
  SubmissionCommit,
} from '../../contracts/submission.ts'
import { DOUBLE_BOUNCE } from '../../policy/bounce.ts'
import { LIMITS } from '../../policy/limits.ts'
import { parseForwardPath, parseReversePath } from '../../protocol/address/path.ts'
import type { Shortage, Submitter } from './room.ts'

export type Refusal = Exclude<SubmissionAnswer, { kind: 'accepted' }>

export function deferred(status: TemporaryStatus, text: string): Refusal {
  return { kind: 'deferred', status, text }
}

function failed(status: PermanentStatus, text: string): Refusal {
  return { kind: 'failed', status, text }
}

export const STOPPING = deferred('4.3.2', 'the system is going down')
export const TOO_SLOW = deferred('4.4.2', 'nothing more of the message has come for ten minutes')
export const SHORTAGE: Readonly<Record<Shortage, Refusal>> = {
  disk: deferred('4.3.1', 'not enough room on the disk'),
  share: deferred('4.3.2', 'too many messages at once'),
}
export const TOO_BIG = failed('5.3.4', 'the message is too big')
export const NOT_LF_FORM = failed('5.6.0', 'the message holds a CR or a NUL')
export const BAD_RECIPIENT = failed('5.1.3', 'a recipient address is not one')
const BAD_SENDER = failed('5.1.7', 'the sender address is not one')
const NO_RECIPIENTS = failed('5.5.1', 'the message has no recipients')
export const TOO_MANY_RECIPIENTS = failed('5.5.3', 'the message has too many recipients')

/** A program that breaks the contract may be old, broken or taken over: none is the message's fault. */
export function malformed(problem: string): Refusal {
  return deferred('4.3.0', `malformed submission: ${problem}`.slice(0, 500))
}

/** Of a submission that is complete but for being queued. */
export function refusalOf(
  request: SubmissionCommit,
  recipients: number,
  program: Submitter['program'],
): Refusal | undefined {
  const refusal = refusalOfEnvelope(request) ?? refusalOfOrigin(request, program)
  return refusal ?? (recipients === 0 ? NO_RECIPIENTS : undefined)
}

function refusalOfEnvelope({
  reversePath,
  prepend,
  envelopeId,
}: SubmissionCommit): Refusal | undefined {
  if (!isSender(reversePath)) return BAD_SENDER
  if (/[\r\0]/.test(prepend) || (prepend !== '' && !prepend.endsWith('\n'))) return NOT_LF_FORM
  return envelopeId !== undefined && hasControls(envelopeId) ? malformed('envelope id') : undefined
}

const VIA = { receiver: 'smtp', pickup: 'drop' } as const

function refusalOfOrigin(
  { origin, idempotencyKey }: SubmissionCommit,
  program: Submitter['program'],
): Refusal | undefined {
  if (origin.via !== VIA[program]) return malformed(`a ${program} does not take mail so`)
  if (program === 'receiver' && idempotencyKey !== undefined) return malformed('a key')
  return undefined
}

const ADDRESS_LIMITS = { localPart: LIMITS.localPart.value, domain: LIMITS.domain.value }

/** RFC 5321 appendix C: a source route was dropped long before; here it would mean nothing. */
export function isRecipient({ address, originalRecipient = '' }: NewRecipient): boolean {
  const path = parseForwardPath(`<${address}>`, ADDRESS_LIMITS)
  const isWhole = path.ok && path.value.rest === '' && !address.startsWith('@')
  return isWhole && !hasControls(originalRecipient)
}

function isSender(address: string): boolean {
  if (address === DOUBLE_BOUNCE) return true
  const path = parseReversePath(`<${address}>`, ADDRESS_LIMITS)
  return path.ok && path.value.rest === '' && !address.startsWith('@')
}

function hasControls(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text)
}
