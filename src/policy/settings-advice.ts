/**
 * What settings mean together: combinations that are refused, and some that are legal yet probably not
 * meant.
 *
 * A relay open to everyone is refused, because it would be found within hours and used by others.
 *
 * RFC 2505 section 2.1 (no open relay), RFC 5321 section 4.5.1 (postmaster).
 */

import type { AddressBlock, Domain, Settings } from '../contracts/settings.ts'
import { isWithin, parseIpAddress } from '../protocol/address/ip-address.ts'
import { route } from './routing.ts'

export interface Advice {
  /** The keys that lead to the setting. */
  readonly path: readonly string[]
  readonly message: string
}

export interface Advised {
  readonly problems: readonly Advice[]
  readonly warnings: readonly Advice[]
}

/** A block this wide holds strangers, whatever else it holds. */
const WIDEST_BLOCK = { 4: 7, 6: 15 } as const
const WIDE_BLOCK = { 4: 8, 6: 32 } as const

export function adviseOn(settings: Settings): Advised {
  const reachable = !listensOnLoopbackOnly(settings)
  const widest = settings.relay.from.filter((block) => block.prefix <= WIDEST_BLOCK[block.family])
  const open = reachable ? widest.map(openRelay) : []
  return {
    problems: [...open, ...unsafePlaces(settings)],
    warnings: [
      ...(reachable ? settings.relay.from.filter(isWide).map(wideRelay) : []),
      ...ownNameLeadsAway(settings),
      ...postmasterLeadsNowhere(settings),
    ],
  }
}

function openRelay(block: AddressBlock): Advice {
  return {
    path: ['relay', 'from'],
    message: `${block.address}/${block.prefix} lets strangers send mail through this host to anyone; name the addresses of your own clients, or listen on loopback only`,
  }
}

function isWide({ family, prefix, address }: AddressBlock): boolean {
  return prefix > WIDEST_BLOCK[family] && prefix < WIDE_BLOCK[family] && !isLoopback(address)
}

function wideRelay(block: AddressBlock): Advice {
  return {
    path: ['relay', 'from'],
    message: `${block.address}/${block.prefix} is very wide: everyone in it may send mail through this host to anyone`,
  }
}

function listensOnLoopbackOnly(settings: Settings): boolean {
  return settings.listen.smtp.every(({ host }) => isLoopback(host))
}

/** RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. */
function isLoopback(text: string): boolean {
  const address = parseIpAddress(text)
  const blocks = [
    { start: parseIpAddress('127.0.0.0'), prefix: 8 },
    { start: parseIpAddress('::1'), prefix: 128 },
  ]
  return blocks.some(
    ({ start, prefix }) =>
      address !== undefined && start !== undefined && isWithin(address, start, prefix),
  )
}

/** Directories that serve different users must not lie in each other. */
function unsafePlaces(settings: Settings): readonly Advice[] {
  const { queue, drop, run } = settings.paths
  const ours: readonly (readonly [string, string])[] = [
    ['queue', queue],
    ['drop', drop],
    ['run', run],
  ]
  const nested = ours.flatMap(([name, place], index) =>
    ours
      .slice(0, index)
      .filter(([, other]) => isInside(place, other) || isInside(other, place))
      .map(([other]) => ({
        path: ['paths', name],
        message: `it must not lie in paths.${other}, nor that in it: they belong to different users`,
      })),
  )
  return [...nested, ...maildirsIn(settings, ours)]
}

function maildirsIn(
  settings: Settings,
  ours: readonly (readonly [string, string])[],
): readonly Advice[] {
  const places = [
    ...Object.entries(settings.domains).flatMap(([name, domain]) =>
      maildirOf(domain).map((maildir) => ({ path: ['domains', name, 'maildir'], maildir })),
    ),
    ...settings.routes.flatMap((entry) =>
      entry.to === 'maildir' ? [{ path: ['routes', entry.pattern], maildir: entry.maildir }] : [],
    ),
  ]
  return places.flatMap(({ path, maildir }) =>
    ours
      .filter(([, place]) => isInside(maildir, place))
      .map(([name]) => ({ path, message: `the mailbox must not lie in paths.${name}` })),
  )
}

function maildirOf(domain: Domain): readonly string[] {
  return domain.kind === 'mailboxes' ? [domain.maildir] : []
}

function isInside(path: string, directory: string): boolean {
  const slashed = (text: string) => (text.endsWith('/') ? text : `${text}/`)
  return slashed(path).startsWith(slashed(directory))
}

/** Reports and local users' mail bear the host's name: answers to them should end here. */
function ownNameLeadsAway(settings: Settings): readonly Advice[] {
  const { hostname } = settings
  if (Object.hasOwn(settings.domains, hostname)) return []
  // A route that is meant for the name, or for everything, is the administrator's word.
  const destination = route(`postmaster@${hostname}`, settings, 1)
  if (destination.kind !== 'remote' || destination.nextHop.kind !== 'mx') return []
  return [
    {
      path: ['hostname'],
      message: `${hostname} is not among the domains, so mail to its users is sent to its MX hosts; add [domains."${hostname}"] if this host is meant`,
    },
  ]
}

/** RFC 5321 section 4.5.1: there must be a postmaster. Accounts cannot be looked up from here. */
function postmasterLeadsNowhere(settings: Settings): readonly Advice[] {
  const { postmaster } = settings.local
  const path = ['local', 'postmaster']
  if (postmaster === 'root') {
    return [{ path, message: 'root gets no mail; name the account of a person' }]
  }
  const destination = route(postmaster, settings, 1)
  if (destination.kind !== 'unknown') return []
  return [{ path, message: `there can be no such mailbox (${destination.because})` }]
}
