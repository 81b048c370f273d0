/**
 * MAIL and RCPT for a message, as this host's extensions allow, or why it cannot be sent there.
 *
 * What comes from an envelope is written anew and never copied: a local part is quoted where it needs to
 * be, and text that could end a command early makes no command at all.
 *
 * RFC 5321 section 4.1.1.2 and 4.1.1.3, RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8),
 * RFC 3461 section 4 (NOTIFY, ORCPT, RET, ENVID).
 */

import type { RemoteDelivery, RemoteRecipient } from '../../contracts/delivery.ts'
import type { Failed } from '../../contracts/outcome.ts'
import { isDomain, parseAddressLiteral } from '../../protocol/address/domain.ts'
import { formatMailbox, NULL_SENDER, splitMailbox } from '../../protocol/address/mailbox.ts'
import type { Peer } from './opening.ts'
import { failed } from './verdict.ts'

/** Why this host cannot be given this message, before a word is said. */
export function refusalInAdvance(
  delivery: RemoteDelivery,
  peer: Peer,
  host: string,
): Failed | undefined {
  const most = sizeLimitOf(peer)
  if (most !== undefined && delivery.size > most) {
    const text = `the message has ${delivery.size} bytes, and ${host} takes at most ${most}`
    return failed('5.3.4', text, { host })
  }
  if (needsUtf8(delivery) && !peer.extensions.has('SMTPUTF8')) {
    const text = `the message needs international addresses (SMTPUTF8), which ${host} does not offer`
    return failed('5.6.7', text, { host })
  }
  if (pathOf(delivery.reversePath) === undefined) {
    return failed('5.1.7', 'the sender address cannot be written in SMTP', { host })
  }
  return undefined
}

/** RFC 1870 section 3: absent or 0 means there is no fixed limit. */
function sizeLimitOf(peer: Peer): number | undefined {
  const given = peer.extensions.get('SIZE') ?? ''
  return /^[1-9][0-9]{0,14}$/.test(given) ? Number(given) : undefined
}

function needsUtf8(delivery: RemoteDelivery): boolean {
  const addresses = [delivery.reversePath, ...delivery.recipients.map(({ address }) => address)]
  return delivery.smtputf8 || addresses.some((address) => /[^\0-\x7f]/.test(address))
}

/** The size is that of the LF form: RFC 1870 section 6.1 lets it be an estimate. */
export function mailCommand(delivery: RemoteDelivery, peer: Peer): string {
  const offers = (keyword: string) => peer.extensions.has(keyword)
  const { ret, envelopeId } = delivery
  return [
    `MAIL FROM:<${pathOf(delivery.reversePath) ?? ''}>`,
    ...(offers('SIZE') ? [`SIZE=${delivery.size}`] : []),
    ...(offers('8BITMIME') && delivery.body === '8bitmime' ? ['BODY=8BITMIME'] : []),
    ...(offers('SMTPUTF8') && needsUtf8(delivery) ? ['SMTPUTF8'] : []),
    ...(offers('DSN') && ret !== undefined ? [`RET=${ret.toUpperCase()}`] : []),
    ...(offers('DSN') && isParameterValue(envelopeId) ? [`ENVID=${envelopeId}`] : []),
  ].join(' ')
}

/** Undefined where the address cannot be written in SMTP. */
export function rcptCommand(recipient: RemoteRecipient, peer: Peer): string | undefined {
  const path = recipient.address === '' ? undefined : pathOf(recipient.address)
  if (path === undefined) return undefined
  const { notify = [], originalRecipient } = recipient
  const dsn = peer.extensions.has('DSN')
  return [
    `RCPT TO:<${path}>`,
    ...(dsn && notify.length > 0 ? [`NOTIFY=${notify.join(',').toUpperCase()}`] : []),
    ...(dsn && isParameterValue(originalRecipient) ? [`ORCPT=${originalRecipient}`] : []),
  ].join(' ')
}

// esmtp-value = 1*(%d33-60 / %d62-126)
function isParameterValue(value: string | undefined): value is string {
  return value !== undefined && /^[!-<>-~]+$/.test(value)
}

function pathOf(address: string): string | undefined {
  if (address === NULL_SENDER) return ''
  if (/[\p{Cc}\p{Cs}]/u.test(address)) return undefined
  const mailbox = splitMailbox(address)
  const { domain } = mailbox
  const sound = domain === '' || isDomain(domain) || parseAddressLiteral(domain) !== undefined
  return sound && mailbox.localPart !== '' ? formatMailbox(mailbox) : undefined
}
