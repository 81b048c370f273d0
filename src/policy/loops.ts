/**
 * Whether a message has been at this mailbox before.
 *
 * Its header then names the mailbox in a Delivered-To field. Domains are compared without regard to
 * case, since hosts on the way may change it, and local parts exactly, since `Joe` and `joe` may be
 * two mailboxes. The check comes before everything else that is done for a recipient.
 *
 * RFC 5321 section 6.3 (loop detection); RFC 3463 section 3.5 (5.4.6, routing loop detected).
 */

import type { Failed } from '../contracts/outcome.ts'
import { withoutControls } from '../protocol/message/delivered-to.ts'
import { domainKey } from './routing.ts'

export function hasVisited(deliveredTo: readonly string[], address: string): boolean {
  if (deliveredTo.length === 0) return false
  const key = visitKey(address)
  return deliveredTo.some((visited) => visitKey(visited) === key)
}

export function loopOutcome(address: string): Failed {
  const mailbox = withoutControls(address)
  return {
    kind: 'failed',
    status: '5.4.6',
    text: `mail loop: this message has already been delivered to ${mailbox}`.slice(0, 1_000),
  }
}

function visitKey(address: string): string {
  const text = withoutControls(address)
  const at = text.lastIndexOf('@')
  return at === -1 ? text : `${text.slice(0, at)}@${domainKey(text.slice(at + 1))}`
}
