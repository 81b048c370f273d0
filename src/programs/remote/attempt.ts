/**
 * Which hosts are tried for a message, in which order, and what it means if none of them can be had.
 *
 * Pure: what the DNS said comes in, candidates or an outcome go out. An outcome is permanent only where
 * the DNS has said so; where anything could not be asked, it is another attempt's matter.
 *
 * RFC 5321 section 5.1 (choosing hosts), RFC 7505 (null MX), RFC 3463 (5.1.2, 5.1.10, 5.4.4, 5.4.6).
 */

import type { NextHop } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import type { Lookup } from '../../io/dns.ts'
import { parseAddressLiteral } from '../../protocol/address/domain.ts'
import type { IpAddress } from '../../protocol/address/ip-address.ts'
import { parseIpAddress } from '../../protocol/address/ip-address.ts'
import type { MxHost, MxRecord } from '../../protocol/dns/mx.ts'
import { orderMxHosts, siteOf } from '../../protocol/dns/mx.ts'
import { isNullMx } from '../../protocol/dns/null-mx.ts'
import type { OwnAddresses } from '../../protocol/dns/own-address.ts'
import { withoutOurselves } from '../../protocol/dns/own-address.ts'
import { deferred, failed } from './verdict.ts'

export const SMTP_PORT = 25
export const MOST_ADDRESSES_OF_HOST = 8
export const MOST_CANDIDATES = 24

/** How the hosts came to be known: it decides what their absence means. */
export type Source = 'mx' | 'domain itself' | 'route' | 'literal'

/** The hosts that answer for a destination. */
export interface Plan {
  readonly kind: 'plan'
  readonly source: Source
  /** The domain or the host of the route, as people know it. */
  readonly destination: string
  /** What connections are kept, and concurrency is counted, by. */
  readonly site: string
  readonly ttlSeconds: number
  readonly hosts: readonly MxHost[]
  readonly port: number
}
export interface NoHope {
  readonly kind: 'no hope'
  readonly outcome: Outcome
}

export interface Candidate {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly preference: number
}

const UNKNOWN_FOR_SECONDS = 300
/** No connection was made: the site is at fault and not the message. */
const UNREACHABLE = { unreachable: true } as const

/** The plan for a next hop that needs no MX records: a route's host or an address literal. */
export function planWithoutMx(nextHop: NextHop): Plan | undefined {
  if (nextHop.kind === 'host') {
    const { host, port } = nextHop
    return planFor('route', host, { site: `${host.toLowerCase()}:${port}`, port })
  }
  const { domain } = nextHop
  const address = literalAddress(domain)
  if (address === undefined) return undefined
  return planFor('literal', domain, { site: domain.toLowerCase(), port: SMTP_PORT })
}

export function planFromMx(
  domain: string,
  lookup: Lookup<MxRecord>,
  random: () => number,
): Plan | NoHope {
  switch (lookup.kind) {
    case 'temporary':
      return noHope(
        deferred('4.4.3', `cannot look up ${domain} now: ${lookup.because}`, UNREACHABLE),
      )
    case 'nothing':
      if (lookup.missing === 'name') {
        return noHope(failed('5.1.2', `the domain ${domain} does not exist`))
      }
      return {
        ...planFor('domain itself', domain, { site: domain.toLowerCase(), port: SMTP_PORT }),
        ttlSeconds: lookup.ttlSeconds,
      }
    case 'found':
      return planFromRecords(domain, lookup, random)
  }
}

function planFromRecords(
  domain: string,
  lookup: Extract<Lookup<MxRecord>, { readonly kind: 'found' }>,
  random: () => number,
): Plan | NoHope {
  if (isNullMx(lookup.records)) {
    return noHope(failed('5.1.10', `the domain ${domain} takes no mail (null MX)`))
  }
  const hosts = orderMxHosts(lookup.records, random)
  if (hosts.length === 0) {
    return noHope(failed('5.4.4', `the MX records of ${domain} name no usable host`))
  }
  const { ttlSeconds } = lookup
  const site = siteOf(hosts).slice(0, 1_000)
  return { ...planFor('mx', domain, { site, port: SMTP_PORT }), hosts, ttlSeconds }
}

function planFor(source: Source, destination: string, rest: Pick<Plan, 'site' | 'port'>): Plan {
  const hosts = [{ preference: 0, name: destination }]
  const ttlSeconds = UNKNOWN_FOR_SECONDS
  return { kind: 'plan', source, destination, hosts, ttlSeconds, ...rest }
}

/** The address that is written in place of a name: `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `192.0.2.1`. */
export function literalAddress(name: string): string | undefined {
  const unbracketed = /^\[[^\]]*:[^\]]*\]$/.test(name)
    ? parseIpAddress(name.slice(1, -1))
    : undefined
  const address = parseIpAddress(name) ?? parseAddressLiteral(name) ?? unbracketed
  return address === undefined ? undefined : formatIpAddress(address)
}

function formatIpAddress({ family, bytes }: IpAddress): string {
  if (family === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => {
    return ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16)
  })
  return groups.join(':')
}

/** What the DNS said of the addresses of one host. */
export interface ResolvedHost extends MxHost {
  readonly six: Lookup<string>
  readonly four: Lookup<string>
}

export function chooseCandidates(
  plan: Plan,
  resolved: readonly ResolvedHost[],
  own: OwnAddresses,
): { readonly kind: 'candidates'; readonly candidates: readonly Candidate[] } | NoHope {
  const hosts = resolved.map((host) => ({ ...host, addresses: addressesOf(host) }))
  const allowed = mustNotBeOurs(plan) ? withoutOurselves(hosts, own) : hosts
  const candidates = allowed
    .flatMap(({ name, preference, addresses }) =>
      addresses.map((address) => ({ name, preference, address, port: plan.port })),
    )
    .slice(0, MOST_CANDIDATES)
  if (candidates.length > 0) return { kind: 'candidates', candidates }
  const doubt = resolved.flatMap(({ six, four }) => [six, four]).find(isTemporary)
  if (doubt !== undefined) {
    const text = `cannot look up a mail host of ${plan.destination} now: ${doubt.because}`
    return noHope(deferred('4.4.3', text, UNREACHABLE))
  }
  return noHope(allowed.length < hosts.length ? weAreBest(plan) : noAddress(plan, resolved))
}

/** A route names its host on purpose; and a server of ours on another port is not this one. */
function mustNotBeOurs(plan: Plan): boolean {
  return plan.source !== 'route' && plan.port === SMTP_PORT
}

function isTemporary(
  lookup: Lookup<string>,
): lookup is Extract<Lookup<string>, { readonly kind: 'temporary' }> {
  return lookup.kind === 'temporary'
}

/** IPv6 and IPv4 in turn, each in the order the DNS gave them, so that neither can hide the other. */
function addressesOf({ six, four }: ResolvedHost): readonly string[] {
  const [first, second] = [six, four].map((lookup) =>
    lookup.kind === 'found' ? lookup.records : [],
  )
  const count = Math.max(first?.length ?? 0, second?.length ?? 0)
  const pairs = Array.from({ length: count }, (_, at) => [first?.[at], second?.[at]])
  return pairs
    .flat()
    .filter((address) => address !== undefined)
    .slice(0, MOST_ADDRESSES_OF_HOST)
}

function weAreBest({ destination }: Plan): Outcome {
  const text =
    `this host is the best mail host of ${destination}, but has not been told to take its mail: ` +
    'the MX record or the configuration (domains) is wrong'
  return failed('5.4.6', text)
}

function noAddress(plan: Plan, resolved: readonly ResolvedHost[]): Outcome {
  const { destination, source } = plan
  switch (source) {
    case 'route':
      // A slip in the configuration must not return all mail that passes.
      return deferred(
        '4.3.5',
        `the route leads to ${destination}, which has no address`,
        UNREACHABLE,
      )
    case 'mx':
      return failed('5.4.4', `no mail host of ${destination} has an address`)
    case 'literal':
    case 'domain itself': {
      const missing = resolved.every(
        ({ four }) => four.kind === 'nothing' && four.missing === 'name',
      )
      return missing
        ? failed('5.1.2', `the domain ${destination} does not exist`)
        : failed('5.4.4', `the domain ${destination} has neither a mail host nor an address`)
    }
  }
}

/** Why a candidate could not be used. */
export interface Problem {
  readonly candidate: Candidate
  /** Whether a connection was made at all. */
  readonly connected: boolean
  readonly why: string
  /** What the host said, if it said anything; the fault is not the message's. */
  readonly reply?: string
}

export function labelOf({ name, address, port }: Candidate): string {
  return `${name.slice(0, 255)} [${address}]:${port}`
}

/** What is said of recipients no candidate has decided about: try again, and why. */
export function outcomeOfProblems(destination: string, problems: readonly Problem[]): Outcome {
  const told = problems.map(({ candidate, why }) => `${labelOf(candidate)}: ${why}`).join('; ')
  const last = problems.findLast(({ connected }) => connected)
  if (last === undefined) {
    const text = `no mail host of ${destination} can be reached: ${told}`
    const host = problems[0] === undefined ? {} : { host: labelOf(problems[0].candidate) }
    return deferred('4.4.1', text, { ...host, ...UNREACHABLE })
  }
  const text = `no mail host of ${destination} has taken the message: ${told}`
  const reply = last.reply === undefined ? {} : { reply: last.reply }
  const status = last.reply === undefined ? '4.4.2' : '4.3.2'
  return deferred(status, text, { host: labelOf(last.candidate), ...reply })
}

function noHope(outcome: Outcome): NoHope {
  return { kind: 'no hope', outcome }
}
