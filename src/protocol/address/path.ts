/**
 * The arguments of MAIL and RCPT: an address in angle brackets, at the start of a text.
 *
 * A reverse-path may be null (`<>`), and then no failure is reported back (RFC 5321 section 4.5.5). A
 * forward-path never is, and alone may be plain `postmaster`. A source route is read and dropped
 * (RFC 5321 appendix C). Anything between the mailbox's characters and `%` or `!` in it means nothing here.
 *
 * RFC 5321 section 4.1.2 (grammar), section 4.5.1 (postmaster); RFC 6531 section 3.3 (UTF-8).
 */

import type { Result } from '../result.ts'
import { ok, refused } from '../result.ts'
import { isDomain, parseAddressLiteral } from './domain.ts'
import type { Mailbox } from './mailbox.ts'

export interface AddressLimits {
  /** In bytes of UTF-8. */
  readonly localPart: number
  readonly domain: number
}

export type PathProblem =
  | 'no angle brackets'
  | 'not an address'
  | 'no domain'
  | 'too long'
  | 'empty path'

export interface ParsedPath<M> {
  readonly mailbox: M
  /** What follows the closing bracket. */
  readonly rest: string
}

// Reverse-path = Path / "<>"
export function parseReversePath(
  text: string,
  limits: AddressLimits,
): Result<ParsedPath<Mailbox | 'null'>, PathProblem> {
  if (text.startsWith('<>')) return ok({ mailbox: 'null', rest: text.slice(2) })
  return parsePath(text, limits)
}

// Forward-path = Path / "<Postmaster>"
export function parseForwardPath(
  text: string,
  limits: AddressLimits,
): Result<ParsedPath<Mailbox>, PathProblem> {
  const postmaster = /^<(postmaster)>/i.exec(text)?.[1]
  if (postmaster === undefined) return parsePath(text, limits)
  const mailbox = { localPart: postmaster, domain: '' }
  return ok({ mailbox, rest: text.slice(postmaster.length + 2) })
}

// A-d-l     = At-domain *( "," At-domain )        At-domain = "@" Domain
const SOURCE_ROUTE =
  /@(?:\[[^\][\s<>]*\]|[^\s,:<>[\]"@]+)(?:,@(?:\[[^\][\s<>]*\]|[^\s,:<>[\]"@]+))*:/y
// Dot-string = Atom *("." Atom)
const DOT_STRING =
  /[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u00a0-\u{10ffff}]+(?:\.[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u00a0-\u{10ffff}]+)*/uy
// Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE
const QUOTED_STRING = /"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u00a0-\u{10ffff}]|\\[\x20-\x7e])*"/uy
const DOMAIN_TEXT = /[^\s<>@"]+/y

// Path      = "<" [ A-d-l ":" ] Mailbox ">"
// Mailbox   = Local-part "@" ( Domain / address-literal )
function parsePath(text: string, limits: AddressLimits): Result<ParsedPath<Mailbox>, PathProblem> {
  if (!text.startsWith('<')) return refused('no angle brackets')
  if (text[1] === '>') return refused('empty path')
  let at = 1 + (match(SOURCE_ROUTE, text, 1)?.length ?? 0)
  const local = match(text[at] === '"' ? QUOTED_STRING : DOT_STRING, text, at)
  if (local === undefined) return refused('not an address')
  at += local.length
  if (text[at] === '>') return refused('no domain')
  const domain = text[at] === '@' ? match(DOMAIN_TEXT, text, at + 1) : undefined
  if (domain === undefined) return refused('not an address')
  at += 1 + domain.length
  if (text[at] !== '>') return refused('not an address')
  const mailbox = { localPart: unquote(local), domain }
  if (isTooLong(mailbox, limits)) return refused('too long')
  if (!isDomain(domain) && parseAddressLiteral(domain) === undefined) {
    return refused('not an address')
  }
  return ok({ mailbox, rest: text.slice(at + 1) })
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function unquote(local: string): string {
  if (!local.startsWith('"')) return local
  const inside = local.slice(1, -1)
  return inside.includes('\\') ? inside.replaceAll(/\\(.)/gs, '$1') : inside
}

function isTooLong({ localPart, domain }: Mailbox, limits: AddressLimits): boolean {
  return (
    Buffer.byteLength(localPart) > limits.localPart || Buffer.byteLength(domain) > limits.domain
  )
}
