/**
 * A mailbox: local part and domain, and how it is written in an envelope.
 *
 * Inside the program a local part has no quoting: `a b`, not `"a b"`. Between programs and on the wire
 * a mailbox is text, quoted where it has to be. Domains keep the case they came in; compare with
 * `domainKey`.
 *
 * RFC 5321 section 4.1.2 (Mailbox), section 4.1.3 (address literals); RFC 6531 section 3.3 (UTF-8).
 */

export interface Mailbox {
  readonly localPart: string
  /** A domain, or an address literal with its brackets; empty only for plain `postmaster`. */
  readonly domain: string
}

/** The null reverse-path, `<>` (RFC 5321 section 4.5.5). */
export const NULL_SENDER = ''

const DOT_STRING =
  /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+(?:\.[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+)*$/u

/** The mailbox as an envelope writes it, without angle brackets. */
export function formatMailbox(mailbox: Mailbox): string {
  const local = formatLocalPart(mailbox.localPart)
  return mailbox.domain === '' ? local : `${local}@${mailbox.domain}`
}

export function formatLocalPart(localPart: string): string {
  if (DOT_STRING.test(localPart)) return localPart
  return `"${localPart.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/**
 * Splits envelope text that this program's own parsers have accepted. The domain is what follows the last
 * `@`, since a quoted local part may hold others.
 */
export function splitMailbox(address: string): Mailbox {
  const at = address.lastIndexOf('@')
  const local = at === -1 ? address : address.slice(0, at)
  const quoted = local.length >= 2 && local.startsWith('"') && local.endsWith('"')
  return {
    localPart: quoted ? local.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : local,
    domain: at === -1 ? '' : address.slice(at + 1),
  }
}
