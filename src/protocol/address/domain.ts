/**
 * The domain part of an address: a name, or an address literal.
 *
 * Names are checked for their form only; whether they exist is asked elsewhere. Underscores are taken
 * although the grammar knows none: hosts with such names send mail.
 *
 * RFC 5321 section 4.1.2 (Domain), section 4.1.3 (address literals); RFC 6531 section 3.3 (U-labels).
 */

import type { IpAddress } from './ip-address.ts'
import { parseIpAddress } from './ip-address.ts'

const LONGEST_LABEL = 63

// Domain     = sub-domain *("." sub-domain)
// sub-domain = Let-dig [Ldh-str]                   / U-label
const LABEL = /^[\w\u00a0-\u{10ffff}](?:[\w\u00a0-\u{10ffff}-]*[\w\u00a0-\u{10ffff}])?$/u

export function isDomain(text: string): boolean {
  return text.split('.').every((label) => label.length <= LONGEST_LABEL && LABEL.test(label))
}

/** The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`; undefined for anything else. */
export function parseAddressLiteral(text: string): IpAddress | undefined {
  if (!text.startsWith('[') || !text.endsWith(']')) return undefined
  const tagged = /^\[ipv6:/i.test(text)
  const address = text.slice(tagged ? 6 : 1, -1)
  return tagged === address.includes(':') ? parseIpAddress(address) : undefined
}

/** An address as a literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
export function formatAddressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}
