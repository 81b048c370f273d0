/**
 * In which order the mail hosts of a domain are tried.
 *
 * Lowest preference first; hosts of equal preference in random order, so that they share the load. The
 * chance is given by the caller. Names that cannot be host names are left out, since whoever owns a
 * zone may write anything there.
 *
 * RFC 5321 section 5.1 (order, and the spreading of equals), RFC 1035 section 3.3.9 (MX).
 */

export interface MxRecord {
  readonly preference: number
  readonly exchange: string
}

export interface MxHost {
  readonly preference: number
  /** Lower case, without the final dot. */
  readonly name: string
}

/** Hosts beyond these are not tried: more would only be a way to keep us busy. */
export const MOST_MX_HOSTS = 20

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/

/** `random` answers numbers from 0 up to, but not including, 1. */
export function orderMxHosts(
  records: readonly MxRecord[],
  random: () => number,
): readonly MxHost[] {
  const lowest = new Map<string, number>()
  for (const { preference, exchange } of records) {
    const name = exchange.toLowerCase().replace(/\.$/, '')
    if (name.length > 253 || !HOST_NAME.test(name)) continue
    lowest.set(name, Math.min(preference, lowest.get(name) ?? preference))
  }
  return [...lowest]
    .map(([name, preference]) => ({ name, preference, chance: random() }))
    .sort((a, b) => a.preference - b.preference || a.chance - b.chance)
    .slice(0, MOST_MX_HOSTS)
    .map(({ name, preference }) => ({ name, preference }))
}

/** The site that answers for a domain: its mail hosts, whatever their order today. */
export function siteOf(hosts: readonly MxHost[]): string {
  return hosts
    .map((host) => host.name)
    .sort()
    .join(',')
}
