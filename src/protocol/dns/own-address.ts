/**
 * Never send mail to ourselves: if this host is among the mail hosts of a domain, only hosts that
 * are preferred to it may be tried. Otherwise a message could travel in circles.
 *
 * RFC 5321 section 5.1 (a relay that finds itself in the list drops itself and all behind it).
 */

import { parseIpAddress } from '../address/ip-address.ts'

export interface Placed {
  readonly preference: number
  /** Empty where nothing is known about a host's addresses. */
  readonly addresses: readonly string[]
  readonly name: string
}

/** These are this host wherever they are written, and whatever interfaces it has. */
const ALWAYS_OURS = ['127.0.0.1', '::1', '0.0.0.0', '::']

export interface OwnAddresses {
  readonly keys: ReadonlySet<string>
  readonly hostname: string
}

/**
 * `interfaces` are the addresses of the network interfaces, the loopback one left out: 127.0.0.1 counts
 * always, while the rest of 127/8 may hold other servers, in a container or a laboratory.
 */
export function ownAddresses(interfaces: readonly string[], hostname: string): OwnAddresses {
  const keys = [...ALWAYS_OURS, ...interfaces].flatMap((text) => keyOf(text) ?? [])
  return { keys: new Set(keys), hostname: hostname.toLowerCase() }
}

export function isOwnAddress(address: string, own: OwnAddresses): boolean {
  const key = keyOf(address)
  return key !== undefined && own.keys.has(key)
}

/** One spelling for every way to write an address. */
function keyOf(text: string): string | undefined {
  return parseIpAddress(text)?.bytes.join('.')
}

/** Behind address translation our public address is on no interface, but the name tells. */
function isOwnHost(host: Placed, own: OwnAddresses): boolean {
  return host.name === own.hostname || host.addresses.some((address) => isOwnAddress(address, own))
}

/** The hosts that are preferred to this one; all of them where this one is not in the list. */
export function withoutOurselves<Host extends Placed>(
  hosts: readonly Host[],
  own: OwnAddresses,
): readonly Host[] {
  const ours = hosts.filter((host) => isOwnHost(host, own)).map((host) => host.preference)
  const limit = Math.min(...ours)
  return hosts.filter((host) => host.preference < limit)
}
