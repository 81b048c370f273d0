/**
 * Where a recipient's mail goes: to an agent of this host, or to another host.
 *
 * The order: the domain is one of ours (accounts or virtual mailboxes); else the most specific
 * route (the domain itself, then `.suffix` from the longest, then `*`); else the domain's MX hosts.
 * Each answer says which rule decided, for `trace` and the log. Nothing is looked up: an account
 * that does not exist is found out by whoever asks for its agent.
 *
 * RFC 5321 section 4.5.1 (postmaster is always a local mailbox), section 2.3.5 (domains).
 */

import type { AgentKind } from '../contracts/account.ts'
import { ACCOUNT_PATTERN } from '../contracts/account.ts'
import type { NextHop } from '../contracts/delivery.ts'
import type { MailboxGroup, Route, Settings } from '../contracts/settings.ts'
import { splitMailbox } from '../protocol/address/mailbox.ts'

/** The settings that decide; a part, so that tests can write it down. */
export type RoutingSettings = Pick<Settings, 'domains' | 'routes' | 'local' | 'hostname'>

export type Destination =
  | {
      readonly kind: 'local'
      readonly agent: AgentKind
      readonly mailbox: string
      readonly create: boolean
      readonly lane: string
      readonly because: string
    }
  | {
      readonly kind: 'remote'
      readonly nextHop: NextHop
      readonly lane: string
      readonly because: string
    }
  /** No such mailbox can exist: the local part is no account name or not a file name. */
  | { readonly kind: 'unknown'; readonly because: string }

const MOST_POSTMASTER_STEPS = 1
/** Bytes; NAME_MAX of every file system in use. */
const LONGEST_FILE_NAME = 255

/** The domain as it is compared: lower case, one trailing dot dropped. U-labels come as they are. */
export function domainKey(domain: string): string {
  return domain.toLowerCase().replace(/\.$/, '')
}

export function isOwnDomain(domain: string, settings: RoutingSettings): boolean {
  return domain === '' || Object.hasOwn(settings.domains, domainKey(domain))
}

export function route(address: string, settings: RoutingSettings, steps = 0): Destination {
  const { localPart, domain } = splitMailbox(address)
  if (domain === '') return routeAccount(localPart, 'an address without a domain', settings, steps)
  const key = domainKey(domain)
  const own = Object.hasOwn(settings.domains, key) ? settings.domains[key] : undefined
  if (own?.kind === 'accounts') {
    return routeAccount(localPart, `domains.${JSON.stringify(key)}`, settings, steps)
  }
  if (own?.kind === 'mailboxes') {
    const { maildir, create } = own
    return virtualMailbox(localPart, { key, template: maildir, create }, settings, steps)
  }
  return routeElsewhere(key, settings.routes)
}

function routeAccount(
  localPart: string,
  because: string,
  settings: RoutingSettings,
  steps: number,
): Destination {
  const name = localPart.toLowerCase()
  // Root gets no mail of its own, since no agent may be root: the postmaster has it.
  const person = name === 'root' ? 'postmaster' : name
  const postmaster = postmasterInstead(person, settings, steps)
  if (postmaster !== undefined) return postmaster
  if (!ACCOUNT_PATTERN.test(name))
    return { kind: 'unknown', because: `${because}: no account name` }
  const { deliver } = settings.local
  const spooled = deliver.startsWith('/')
  const agent: AgentKind = { kind: spooled ? 'spool' : 'account', name }
  return {
    kind: 'local',
    agent,
    mailbox: deliver.replaceAll('{account}', name),
    create: true,
    lane: laneOfAgent(agent),
    because,
  }
}

/** RFC 5321 section 4.5.1: mail to postmaster, in any case, has a place. */
function postmasterInstead(
  name: string,
  settings: RoutingSettings,
  steps: number,
): Destination | undefined {
  const { postmaster } = settings.local
  if (name !== 'postmaster' || steps >= MOST_POSTMASTER_STEPS || postmaster === 'postmaster') {
    return undefined
  }
  return route(postmaster, settings, steps + 1)
}

function virtualMailbox(
  localPart: string,
  group: { readonly key: string; readonly template: string; readonly create: boolean },
  settings: RoutingSettings,
  steps: number,
): Destination {
  const local = localPart.toLowerCase()
  const because = `domains.${JSON.stringify(group.key)}`
  const postmaster = group.create ? undefined : postmasterInstead(local, settings, steps)
  if (postmaster !== undefined) return postmaster
  if (local === '' || local.startsWith('.') || /[/\0]/.test(local)) {
    return { kind: 'unknown', because: `${because}: the local part is not a directory name` }
  }
  if (!fitsFileName(local, group.template)) {
    return { kind: 'unknown', because: `${because}: the local part is too long for a file name` }
  }
  const agent: AgentKind = { kind: 'mailboxes', name: group.key }
  return {
    kind: 'local',
    agent,
    mailbox: group.template.replaceAll('{local}', local),
    create: group.create,
    lane: laneOfAgent(agent),
    because,
  }
}

/** With all that the template puts before and behind it between two slashes. */
function fitsFileName(local: string, template: string): boolean {
  const names = template.split('/').filter((step) => step.includes('{local}'))
  return names.every((name) => utf8Size(name.replaceAll('{local}', local)) <= LONGEST_FILE_NAME)
}

function utf8Size(text: string): number {
  let size = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return size
}

function routeElsewhere(domain: string, routes: readonly Route[]): Destination {
  const chosen = mostSpecificRoute(domain, routes)
  const because = chosen === undefined ? 'no route: MX' : `routes.${JSON.stringify(chosen.pattern)}`
  if (chosen === undefined || chosen.to === 'mx') {
    return { kind: 'remote', nextHop: { kind: 'mx', domain }, lane: `remote/${domain}`, because }
  }
  if (chosen.to === 'host') {
    const { host, port } = chosen
    const lane = `remote/${host}:${port}`
    return { kind: 'remote', nextHop: { kind: 'host', host, port }, lane, because }
  }
  const agent: AgentKind = { kind: 'mailboxes', name: routeGroupKey(chosen.pattern) }
  const { maildir } = chosen
  return { kind: 'local', agent, mailbox: maildir, create: true, lane: laneOfAgent(agent), because }
}

function mostSpecificRoute(domain: string, routes: readonly Route[]): Route | undefined {
  const byPattern = new Map(routes.map((candidate) => [candidate.pattern.toLowerCase(), candidate]))
  const exact = byPattern.get(domain)
  if (exact !== undefined) return exact
  for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    const suffix = byPattern.get(domain.slice(dot))
    if (suffix !== undefined) return suffix
  }
  return byPattern.get('*')
}

export function laneOfAgent(agent: AgentKind): string {
  return `local/${agent.kind}/${agent.name}`
}

/** The agent a lane is named after; absent for every other lane. */
export function agentOfLane(lane: string): AgentKind | undefined {
  const [, kind, name] = /^local\/(account|spool|mailboxes)\/(.*)$/s.exec(lane) ?? []
  if (name === undefined) return undefined
  return kind === 'account' || kind === 'spool' || kind === 'mailboxes' ? { kind, name } : undefined
}

function routeGroupKey(pattern: string): string {
  return `route ${pattern}`
}

/** The groups of virtual mailboxes, by the key an AgentKind names them with. */
export function mailboxGroups(
  settings: Pick<Settings, 'domains' | 'routes'>,
): Readonly<Record<string, MailboxGroup>> {
  const groups: Record<string, MailboxGroup> = {}
  for (const [key, domain] of Object.entries(settings.domains)) {
    if (domain.kind === 'mailboxes') {
      groups[key] = { root: fixedPart(domain.maildir), user: domain.user }
    }
  }
  for (const entry of settings.routes) {
    if (entry.to === 'maildir') {
      groups[routeGroupKey(entry.pattern)] = { root: entry.maildir, user: entry.user }
    }
  }
  return groups
}

/** The directory that holds all mailboxes of a template: what precedes the part with `{local}`. */
function fixedPart(template: string): string {
  const before = template.split('{local}')[0] ?? template
  return before.slice(0, before.lastIndexOf('/') + 1)
}
