/**
 * What a report says of one recipient, for a machine: one group of fields.
 *
 * Everything that came from elsewhere is made harmless here: control characters become spaces, so
 * no reply of a remote host can add a field or end the part.
 *
 * RFC 3464 section 2.3 (fields of a recipient), RFC 3461 section 4 (xtext), RFC 6533 (UTF-8 addresses).
 */

export type Action = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface ReportedRecipient {
  readonly address: string
  /** ORCPT as it came: `rfc822;xtext`. */
  readonly originalRecipient?: string | undefined
  readonly action: Action
  readonly status: string
  /** What happened, in words. */
  readonly text: string
  /** `mx.example.org [192.0.2.1]:25` */
  readonly host?: string | undefined
  /** The remote host's own words, code first. */
  readonly reply?: string | undefined
}

const LONGEST_FIELD_TEXT = 900

/** A group of fields, LF form, without the empty line between groups. */
export function formatRecipientFields(recipient: ReportedRecipient): string {
  const { originalRecipient, reply, host } = recipient
  const original = originalRecipient === undefined ? '' : decodeTypedAddress(originalRecipient)
  return [
    ['Original-Recipient', original],
    ['Final-Recipient', `${addressType(recipient.address)}; ${recipient.address}`],
    ['Action', recipient.action],
    ['Status', recipient.status],
    ['Remote-MTA', host === undefined ? '' : `dns; ${host.split(' ')[0] ?? host}`],
    ['Diagnostic-Code', diagnosticCode(reply, recipient)],
  ]
    .filter(([, value]) => value !== '')
    .map(([name = '', value = '']) => formatField(name, value))
    .join('')
}

export function formatField(name: string, value: string): string {
  return `${name}: ${oneLine(value)}\n`
}

/** Foreign text on one line, cut to a length that leaves room in RFC 5322's 998. */
export function oneLine(text: string, longest = LONGEST_FIELD_TEXT): string {
  return text
    .slice(0, longest)
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]+/gu, ' ')
    .trim()
}

export function isAscii(text: string): boolean {
  return !/[^\u0000-\u007f]/.test(text)
}

/**
 *     xtext = *( xchar / "+" 2HEXDIG )
 *
 * What is not xtext is left as it is.
 */
export function decodeXtext(text: string): string {
  return text.replaceAll(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

function decodeTypedAddress(original: string): string {
  const semicolon = original.indexOf(';')
  if (semicolon === -1) return ''
  return `${original.slice(0, semicolon)}; ${decodeXtext(original.slice(semicolon + 1))}`
}

function addressType(address: string): string {
  return isAscii(address) ? 'rfc822' : 'utf-8'
}

/** The remote host's reply; where there was none, what this host found. */
function diagnosticCode(reply: string | undefined, { action, text }: ReportedRecipient): string {
  if (reply !== undefined) return `smtp; ${reply}`
  return action === 'failed' || action === 'delayed' ? `x-postern; ${text}` : ''
}
