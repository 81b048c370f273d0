/**
 * Who submits a message, as far as its submitter says: user, host, and what is known around it.
 *
 * The environment's names go before the login name, so that users can choose how they appear
 * (QMAILUSER and QMAILHOST for everything, QMAILSUSER and QMAILSHOST for the reverse-path alone). All
 * text that leaves here is one character a byte and holds no control characters.
 */

import type { Invocation } from '../contracts/drop-file.ts'
import type { CompletingNames } from '../protocol/address/address-format.ts'
import type { Mailbox } from '../protocol/address/mailbox.ts'

export interface SubmissionContext {
  readonly uid: number
  readonly names: CompletingNames
  /** Milliseconds since 1970. */
  readonly now: number
  /** Makes the Message-ID unique: letters and digits, drawn at random. */
  readonly unique: string
  readonly mostRecipients: number
}

/** The account name of a submitter; where none is known, one that says the uid. */
export function accountOf(invocation: Pick<Invocation, 'login'>, uid: number): string {
  return invocation.login ?? `uid-${uid}`
}

/** For a From that has to be made. */
export function visibleMailbox(invocation: Invocation, context: SubmissionContext): Mailbox {
  const { QMAILUSER, MAILUSER, QMAILHOST, MAILHOST } = invocation.environment
  return {
    localPart: cleaned(QMAILUSER ?? MAILUSER ?? accountOf(invocation, context.uid)),
    domain: cleaned(QMAILHOST ?? MAILHOST ?? '') || context.names.defaultHost,
  }
}

/** For the reverse-path, if nothing else says what it is. */
export function senderMailbox(invocation: Invocation, context: SubmissionContext): Mailbox {
  const { QMAILSUSER, QMAILSHOST } = invocation.environment
  const visible = visibleMailbox(invocation, context)
  return {
    localPart: cleaned(QMAILSUSER ?? '') || visible.localPart,
    domain: cleaned(QMAILSHOST ?? '') || visible.domain,
  }
}

/** The letters of QMAILINJECT, which change how a header is completed. */
export function hasInjectLetter(invocation: Invocation, letter: 'c' | 'f' | 'i' | 's'): boolean {
  return invocation.environment.QMAILINJECT?.includes(letter) === true
}

/** UTF-8 as one character a byte, the form in which header fields are read. */
export function byteText(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function cleaned(text: string): string {
  return byteText(text).replaceAll(/[\u0000-\u001f\u007f]/g, '')
}
