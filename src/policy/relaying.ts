/**
 * For whom a client may send mail through this host.
 *
 * In this order: a recipient in a domain of ours is everybody's business, and the queue is asked whether
 * it exists; a client in one of the blocks of `relay.from` may send to anyone; all else is denied. The
 * sender is never looked at, since anyone can claim to be anyone. `%` and `!` in a local part mean
 * nothing, so no address can smuggle in a second one. An address literal is ours only if it is configured
 * as a domain.
 *
 * RFC 5321 section 3.6.2 (relays), section 7.1 (trust); RFC 2505 section 2.1 (no open relay).
 */

import type { AddressBlock } from '../contracts/settings.ts'
import type { IpAddress } from '../protocol/address/ip-address.ts'
import { isWithin, parseIpAddress } from '../protocol/address/ip-address.ts'
import type { Mailbox } from '../protocol/address/mailbox.ts'
import type { RoutingSettings } from './routing.ts'
import { domainKey, isOwnDomain } from './routing.ts'

export type RelayDecision =
  /** Ours, if there is such a mailbox. */
  | { readonly kind: 'ours'; readonly because: string }
  | { readonly kind: 'accepted'; readonly because: string }
  | { readonly kind: 'denied'; readonly because: string }

/** What a client may do, found out once for a session. */
export interface RelayRight {
  readonly allowed: boolean
  readonly because: string
}

export function relayRightOf(client: string, from: readonly AddressBlock[]): RelayRight {
  const address = parseIpAddress(client)
  const block = from.find((candidate) => address !== undefined && covers(candidate, address))
  return block === undefined
    ? { allowed: false, because: 'the client is in no block of relay.from' }
    : { allowed: true, because: `relay.from ${block.address}/${block.prefix}` }
}

export function decideRelaying(
  { domain }: Mailbox,
  right: RelayRight,
  settings: RoutingSettings,
): RelayDecision {
  if (isOwnDomain(domain, settings)) {
    const because = domain === '' ? 'no domain' : `domains.${JSON.stringify(domainKey(domain))}`
    return { kind: 'ours', because }
  }
  return right.allowed
    ? { kind: 'accepted', because: right.because }
    : { kind: 'denied', because: `not a domain of ours, and ${right.because}` }
}

function covers(block: AddressBlock, address: IpAddress): boolean {
  const start = parseIpAddress(block.address)
  return start !== undefined && isWithin(address, start, block.prefix)
}

/** Whom the limits on one client count as one: an IPv4 address, or an IPv6 network of 64 bits. */
export function clientGroup(client: string): string {
  const address = parseIpAddress(client)
  if (address === undefined || address.family === 4) return client
  return `${address.bytes.slice(0, 8).join('.')}/64`
}
