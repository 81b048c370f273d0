/**
 * Writes a delivery status notification: for a layman, for a machine, and the message it is about.
 *
 * LF form, in two pieces around the returned message, so that its content is shared and never
 * copied: `prepend`, the original, `append`. Where only its header is returned, `prepend` is all.
 *
 * RFC 3462 (multipart/report), RFC 3464 (message/delivery-status), RFC 3461 section 6 (what is
 * returned), RFC 3834 section 5 (Auto-Submitted), RFC 6533 (UTF-8 in all of these).
 */

import { formatDate } from '../message/date.ts'
import type { ReportedRecipient } from './action.ts'
import { decodeXtext, formatField, formatRecipientFields, isAscii, oneLine } from './action.ts'

export type DsnKind =
  /** Something could not be delivered. */
  | 'failure'
  /** Everything reported was delivered, and the sender had asked to be told. */
  | 'success'
  /** A report could not be delivered; this is for the postmaster. */
  | 'double'

export interface DsnReport {
  readonly kind: DsnKind
  readonly hostname: string
  /** Whom this report is for. */
  readonly to: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** Unguessable; makes the boundary and the Message-ID. Letters and digits. */
  readonly token: string
  readonly about: {
    readonly queueId: string
    readonly reversePath: string
    readonly arrivedAt: number
    /** As it came, xtext. */
    readonly envelopeId?: string | undefined
    readonly eightBit: boolean
    readonly smtputf8: boolean
  }
  readonly recipients: readonly ReportedRecipient[]
  /** `content`: the whole original follows `prepend`. Otherwise its header section. */
  readonly returned: 'content' | { readonly header: Uint8Array }
}

export interface DsnPieces {
  readonly prepend: Uint8Array
  readonly append: Uint8Array
}

export function writeDsn(report: DsnReport): DsnPieces {
  const boundary = `=_postern_${report.token}`
  const opening = encode(
    [
      headerOf(report, boundary),
      '\nThis is a message in several parts, as RFC 3462 describes them.\n',
      textPart(report, boundary),
      statusPart(report, boundary),
      `\n--${boundary}\n${returnedPartHeader(report)}\n`,
    ].join(''),
  )
  const closing = encode(`\n--${boundary}--\n`)
  if (report.returned === 'content') return { prepend: opening, append: closing }
  const header = withoutEnd(report.returned.header)
  return { prepend: concat(opening, header, closing), append: new Uint8Array(0) }
}

function headerOf(report: DsnReport, boundary: string): string {
  const { hostname, about } = report
  const wide = about.eightBit || isGlobal(report) || !isAscii(humanText(report))
  return [
    formatField('Date', formatDate(report.now, 0)),
    formatField('From', `Mail Delivery System <MAILER-DAEMON@${hostname}>`),
    formatField('To', `<${report.to}>`),
    formatField('Subject', SUBJECT[report.kind]),
    formatField('Message-ID', `<${report.token}@${hostname}>`),
    'Auto-Submitted: auto-replied\n',
    'MIME-Version: 1.0\n',
    'Content-Type: multipart/report; report-type=delivery-status;\n',
    `\tboundary="${boundary}"\n`,
    wide ? 'Content-Transfer-Encoding: 8bit\n' : '',
  ].join('')
}

const SUBJECT: Readonly<Record<DsnKind, string>> = {
  failure: 'Your message could not be delivered',
  success: 'Your message was delivered',
  double: 'A delivery report could not be delivered',
}

function textPart(report: DsnReport, boundary: string): string {
  const text = humanText(report)
  const encoding = isAscii(text) ? '' : 'Content-Transfer-Encoding: 8bit\n'
  const type = 'Content-Type: text/plain; charset=utf-8\nContent-Description: Notification\n'
  return `\n--${boundary}\n${type}${encoding}\n${text}`
}

const OPENING: Readonly<Record<DsnKind, string>> = {
  failure: `I am sorry to say that your message could not be delivered to the addresses
below. I have given up; it will not be tried again. What went wrong is said
below each address, in the words of whoever refused it. If you can mend it
(a misspelt address, for one), please send the message again.`,
  success: `You asked to be told: your message has been delivered to the addresses below.`,
  double: `I tried to tell the sender of a message that it could not be delivered, and
that report could not be delivered either. Nobody but you has been told.`,
}

function humanText(report: DsnReport): string {
  const { about, hostname } = report
  const paragraphs = report.recipients.map(paragraphOf)
  const original = report.returned === 'content' ? 'the message' : 'the header of the message'
  return [
    `Hi. This is the mail system at ${oneLine(hostname)}.\n`,
    `${OPENING[report.kind]}\n`,
    ...paragraphs,
    `--- Below: details for mail programs, and ${original}.`,
    `--- The message arrived here on ${formatDate(about.arrivedAt, 0)}`,
    `--- and was known as ${about.queueId}; please name this if you ask about it.\n`,
  ].join('\n')
}

/** `<address>:`, then what happened: a paragraph without an empty line in it. */
function paragraphOf(recipient: ReportedRecipient): string {
  const { text, reply, host, status } = recipient
  const lines = [`<${oneLine(recipient.address)}>:`, `${oneLine(text)} (#${status})`]
  if (reply !== undefined && !text.includes(reply)) {
    lines.push(`${oneLine(host ?? 'The remote host')} said: ${oneLine(reply)}`)
  }
  return `${lines.join('\n')}\n`
}

function statusPart(report: DsnReport, boundary: string): string {
  const { about } = report
  const type = isGlobal(report) ? 'message/global-delivery-status' : 'message/delivery-status'
  const perMessage = [
    about.envelopeId === undefined
      ? ''
      : formatField('Original-Envelope-Id', decodeXtext(about.envelopeId)),
    formatField('Reporting-MTA', `dns; ${report.hostname}`),
    formatField('Arrival-Date', formatDate(about.arrivedAt, 0)),
    formatField('X-Postern-Queue-ID', about.queueId),
    formatField('X-Postern-Sender', `rfc822; ${about.reversePath}`),
  ].join('')
  const groups = [perMessage, ...report.recipients.map(formatRecipientFields)].join('\n')
  const fields = isGlobal(report) ? groups : groups.replaceAll(/[^\u0000-\u007f]/gu, '?')
  const encoding = isAscii(fields) ? '' : 'Content-Transfer-Encoding: 8bit\n'
  const head = `Content-Type: ${type}\n${encoding}Content-Description: Delivery report\n`
  return `\n--${boundary}\n${head}\n${fields}`
}

function returnedPartHeader({ returned, about }: DsnReport): string {
  const whole = about.smtputf8 ? 'message/global' : 'message/rfc822'
  const header = about.smtputf8 ? 'message/global-headers' : 'text/rfc822-headers'
  const encoding = about.eightBit ? 'Content-Transfer-Encoding: 8bit\n' : ''
  return `Content-Type: ${returned === 'content' ? whole : header}\n${encoding}Content-Description: Original message\n`
}

/** RFC 6533: a report that names an address beyond ASCII is itself beyond it. */
export function isGlobal(report: Pick<DsnReport, 'recipients' | 'about' | 'to'>): boolean {
  const addresses = report.recipients.map(({ address }) => address)
  return ![report.to, report.about.reversePath, ...addresses].every(isAscii)
}

/** A header section without the empty line that ends it, and with its last line complete. */
function withoutEnd(header: Uint8Array): Uint8Array {
  let end = header.length
  while (end > 0 && header[end - 1] === 0x0a) end -= 1
  return concat(header.subarray(0, end), encode('\n'))
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.length
  }
  return whole
}
