/**
 * The notice to a user whose message cannot be sent: why, and the first part of the message.
 *
 * From the null sender, so that it can never be answered by another notice (RFC 5321 section 4.5.5);
 * marked as made by a program (RFC 3834 section 5). The message is quoted as text, made harmless: this is
 * for a person, who has the original or can tell from it which program to look at.
 */

import type { SubmissionProblem } from '../../policy/submission.ts'
import { formatDate } from '../../protocol/message/date.ts'
import { formatMessageId } from '../../protocol/message/message-id.ts'

export interface NoticeFacts {
  readonly hostname: string
  readonly to: string
  readonly uid: number
  readonly now: number
  readonly zoneMinutes: number
  /** Letters and digits, drawn at random. */
  readonly unique: string
  readonly problem: SubmissionProblem
  /** As it came. */
  readonly firstPart: Buffer
  /** Whether there was more. */
  readonly cut: boolean
}

/** How much of a message its notice quotes. */
export const NOTICE_QUOTES = 16_384

export function formatNotice(facts: NoticeFacts): Buffer {
  const { hostname, problem } = facts
  const head = `Date: ${formatDate(facts.now, facts.zoneMinutes)}
Message-ID: ${formatMessageId(facts.now, facts.unique, hostname)}
From: Mail system of ${hostname} <MAILER-DAEMON@${hostname}>
To: ${facts.to}
Subject: Your message could not be sent
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

A message that you (user id ${facts.uid}), or a program of yours, gave to the sendmail
command on ${hostname} could not be sent, and nobody has received it.

  ${problem.text}
  (${problem.status})

Please correct it and send it again.

--- The message begins like this:

`
  const end = facts.cut ? '\n--- (the rest is left out here, and has not been kept)\n' : ''
  const parts = [Buffer.from(head), facts.firstPart, Buffer.from(end)]
  return Buffer.concat(parts.map(harmless))
}

/** UTF-8 text in LF form, whatever it was. */
function harmless(bytes: Buffer): Buffer {
  const text = bytes
    .toString()
    .replaceAll('\r\n', '\n')
    .replaceAll(/[\r\0]/g, '?')
  return Buffer.from(text.endsWith('\n') || text === '' ? text : `${text}\n`)
}
