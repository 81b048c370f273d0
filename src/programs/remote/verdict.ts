/**
 * What a host's words mean for a recipient, and how that is put for people.
 *
 * 4yz is deferred, 5yz failed; anything that does not belong where it was said is deferred, since
 * unknown is temporary. The host's enhanced status is taken where its class fits.
 *
 * RFC 5321 section 4.2.1 (classes), section 4.5.3.1.10 (552 for 452), RFC 3463 (enhanced status).
 */

import type {
  AttemptFacts,
  Deferred,
  Failed,
  Outcome,
  PermanentStatus,
  TemporaryStatus,
} from '../../contracts/outcome.ts'
import { LONGEST_OUTCOME_TEXT } from '../../contracts/outcome.ts'
import type { ServerReply } from '../../protocol/smtp/server-reply.ts'
import { enhancedStatusOf, quoteReply } from '../../protocol/smtp/server-reply.ts'

export const LONGEST_QUOTE = 700

/** What a reply answered. */
export type Asked = 'sender' | 'recipient' | 'data' | 'message'

const REFUSED: Readonly<Record<Asked, string>> = {
  sender: 'refused the sender',
  recipient: 'refused the recipient',
  data: 'refused to take the message',
  message: 'refused the message',
}
const PUT_OFF: Readonly<Record<Asked, string>> = {
  sender: 'does not take mail from the sender now',
  recipient: 'does not take mail for the recipient now',
  data: 'does not take the message now',
  message: 'does not take the message now',
}

export function outcomeOfReply(reply: ServerReply, asked: Asked, host: string): Outcome {
  const quote = quoteReply(reply, LONGEST_QUOTE)
  const facts = { host, reply: quote }
  const { subject, detail } = enhancedStatusOf(reply) ?? usualStatus(reply.code, asked)
  const kind = kindOf(reply, asked)
  switch (kind) {
    case 'accepted': {
      const text = `${host} took the message: ${quote}`
      return { kind: 'delivered', status: `2.${subject}.${detail}`, ...facts, text: cut(text) }
    }
    case 'deferred':
      return deferred(`4.${subject}.${detail}`, `${host} ${PUT_OFF[asked]}: ${quote}`, facts)
    case 'failed':
      return failed(`5.${subject}.${detail}`, `${host} ${REFUSED[asked]}: ${quote}`, facts)
    case 'unexpected':
      return deferred('4.5.0', `${host} gave an answer that does not fit: ${quote}`, facts)
  }
}

export function kindOf(
  reply: ServerReply,
  asked: Asked,
): 'accepted' | 'deferred' | 'failed' | 'unexpected' {
  const wanted = asked === 'data' ? 354 : undefined
  if (reply.code === wanted || (wanted === undefined && Math.floor(reply.code / 100) === 2)) {
    return 'accepted'
  }
  if (reply.code < 400) return 'unexpected'
  return reply.code < 500 || isTooManyRecipients(reply, asked) ? 'deferred' : 'failed'
}

/** RFC 5321 section 4.5.3.1.10: a server may say 552 where it means 452, too many recipients. */
function isTooManyRecipients(reply: ServerReply, asked: Asked): boolean {
  if (reply.code !== 552 || asked !== 'recipient') return false
  const enhanced = enhancedStatusOf(reply)
  return enhanced === undefined || (enhanced.subject === 5 && enhanced.detail === 3)
}

function usualStatus(
  code: number,
  asked: Asked,
): { readonly subject: number; readonly detail: number } {
  if (asked === 'recipient' && (code === 452 || code === 552)) return { subject: 5, detail: 3 }
  if (code === 452) return { subject: 3, detail: 1 }
  if (code === 552) return { subject: 3, detail: 4 }
  if (code === 421) return { subject: 3, detail: 2 }
  return { subject: 0, detail: 0 }
}

export function deferred(status: TemporaryStatus, text: string, facts?: AttemptFacts): Deferred {
  return { kind: 'deferred', status, ...facts, text: cut(text) }
}

export function failed(status: PermanentStatus, text: string, facts?: AttemptFacts): Failed {
  return { kind: 'failed', status, ...facts, text: cut(text) }
}

function cut(text: string): string {
  return text.slice(0, LONGEST_OUTCOME_TEXT)
}
