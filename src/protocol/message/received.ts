/**
 * The Received field that whoever takes a message in puts on top of it.
 *
 *     Received: from client.example ([192.0.2.1])
 *     	by mail.example.org with ESMTP id KQ4X9
 *     	for <joe@example.org>; Sun, 22 Nov 2026 18:30:00 +0100
 *
 * The client's name is its own claim, so nothing in it can be taken for anything but a name. The
 * recipient is named only where it is the only one: others must not learn of each other.
 *
 * RFC 5321 section 4.4 (trace information), RFC 3848 and RFC 6531 section 4.3 (protocol names).
 */

import { formatAddressLiteral } from '../address/domain.ts'
import { formatDate } from './date.ts'

export interface Trace {
  /** The argument of HELO or EHLO. */
  readonly helo: string
  /** The client's address, `192.0.2.1`. */
  readonly client: string
  readonly hostname: string
  readonly protocol: 'SMTP' | 'ESMTP' | 'UTF8SMTP'
  readonly queueId: string
  readonly recipients: readonly string[]
  readonly at: number
  readonly zoneMinutes: number
}

/** The field, folded, in LF form. */
export function formatReceived(trace: Trace): string {
  const [only, ...others] = trace.recipients
  const receiver = `by ${trace.hostname} with ${trace.protocol} id ${trace.queueId}`
  const recipient = only === undefined || others.length > 0 ? '' : `\n\tfor <${only}>`
  return (
    `Received: from ${plainName(trace.helo)} (${formatAddressLiteral(trace.client)})\n` +
    `\t${receiver}${recipient}; ${formatDate(trace.at, trace.zoneMinutes)}\n`
  )
}

function plainName(helo: string): string {
  return helo.replaceAll(/[^a-zA-Z0-9.:_[\]-]/g, '?')
}
