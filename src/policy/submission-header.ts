/**
 * The header of a submitted message: which of its fields are read, kept, completed, removed, made.
 *
 * submission.ts tells the rules; this is their table and what turns it into bytes. All text here is
 * one character a byte.
 */

import type { Invocation } from '../contracts/drop-file.ts'
import { completeEntry, formatAddressField } from '../protocol/address/address-format.ts'
import type { AddressListProblem, Entry } from '../protocol/address/address-list.ts'
import { parseAddressList } from '../protocol/address/address-list.ts'
import { formatMailbox } from '../protocol/address/mailbox.ts'
import { formatDate } from '../protocol/message/date.ts'
import type { Header, HeaderField } from '../protocol/message/header.ts'
import { fieldValue, MBOX_LINE_KEY } from '../protocol/message/header.ts'
import { formatMessageId } from '../protocol/message/message-id.ts'
import { formatPhrase } from '../protocol/message/phrase.ts'
import type { SubmissionContext } from './submitter.ts'
import { hasInjectLetter, visibleMailbox } from './submitter.ts'

/** A field that holds addresses: as it stands, and completed; or why it could not be read. */
export type ReadField =
  | { readonly field: HeaderField; readonly entries: readonly Entry[]; readonly changed: boolean }
  | { readonly field: HeaderField; readonly problem: AddressListProblem }

const ADDRESS_FIELDS: ReadonlySet<string> = new Set([
  'to',
  'cc',
  'bcc',
  'apparently-to',
  'resent-to',
  'resent-cc',
  'resent-bcc',
  'from',
  'sender',
  'reply-to',
  'return-receipt-to',
  'errors-to',
  'resent-from',
  'resent-sender',
  'resent-reply-to',
  'return-path',
])
const RECIPIENT_FIELDS = ['to', 'cc', 'bcc', 'apparently-to'] as const
const RESENT_RECIPIENT_FIELDS = ['resent-to', 'resent-cc', 'resent-bcc'] as const
const RESENT_FIELDS: ReadonlySet<string> = new Set([
  ...RESENT_RECIPIENT_FIELDS,
  'resent-sender',
  'resent-from',
  'resent-reply-to',
  'resent-date',
  'resent-message-id',
])
const REMOVED_FIELDS: ReadonlySet<string> = new Set([
  'bcc',
  'resent-bcc',
  'return-path',
  'content-length',
])
/** What stands in Cc where no recipient may be shown (RFC 5322 section 3.6.3). */
const NOBODY = 'recipient list not shown: ;'

export function readAddressFields(
  bytes: Uint8Array,
  header: Header,
  context: SubmissionContext,
): readonly ReadField[] {
  return header.fields
    .filter((field) => ADDRESS_FIELDS.has(field.key))
    .map((field) => {
      const list = parseAddressList(fieldValue(bytes, field), context.mostRecipients)
      if (!list.ok) return { field, problem: list.problem }
      const entries = list.value.map((entry) => completeEntry(entry, context.names))
      return { field, entries, changed: hasChanged(list.value, entries) }
    })
}

/** A group is made anew by completing, so its members tell. */
function hasChanged(before: readonly Entry[], after: readonly Entry[]): boolean {
  return before.some((entry, index) => {
    const completed = after[index]
    if (!('members' in entry) || completed === undefined || !('members' in completed)) {
      return completed !== entry
    }
    return entry.members.some((member, at) => completed.members[at] !== member)
  })
}

/** The keys of the fields that name recipients: those of a resent message, or the usual. */
export function recipientKeys(fields: readonly ReadField[]): readonly string[] {
  const resent = fields.some((field) => RESENT_FIELDS.has(field.field.key))
  return resent ? RESENT_RECIPIENT_FIELDS : RECIPIENT_FIELDS
}

export interface HeaderParts {
  readonly header: Header
  readonly fields: readonly ReadField[]
  readonly invocation: Invocation
  readonly context: SubmissionContext
  /** The reverse-path. */
  readonly sender: string
}

/** The new header, with the empty line behind it unless the message ended without. */
export function completeHeader(bytes: Uint8Array, parts: HeaderParts): Buffer {
  const { header, invocation } = parts
  const dropped = droppedFields(invocation)
  const made = invocation.gateway ? [] : madeFields(parts, dropped)
  const read = new Map(parts.fields.map((field) => [field.field, field]))
  const kept = header.fields
    .filter((field) => !dropped.has(field.key))
    .map((field) => writeField(bytes, field, invocation.gateway ? undefined : read.get(field)))
  const end = header.ending === 'end of text' ? '' : '\n'
  return Buffer.concat([Buffer.from(made.join(''), 'latin1'), ...kept, Buffer.from(end)])
}

function droppedFields(invocation: Invocation): ReadonlySet<string> {
  return new Set([
    ...REMOVED_FIELDS,
    ...(hasInjectLetter(invocation, 'f') ? ['from'] : []),
    ...(hasInjectLetter(invocation, 'i') ? ['message-id'] : []),
  ])
}

function writeField(
  bytes: Uint8Array,
  field: HeaderField,
  read: ReadField | undefined,
): Buffer | Uint8Array {
  if (read !== undefined && 'entries' in read && read.changed) {
    return Buffer.from(formatAddressField(field.name, read.entries), 'latin1')
  }
  const raw = bytes.subarray(field.start, field.end)
  const whole = raw.at(-1) === 0x0a ? raw : Buffer.concat([raw, Buffer.from('\n')])
  return field.key === MBOX_LINE_KEY ? Buffer.concat([Buffer.from('MBOX-Line: '), whole]) : whole
}

function madeFields(parts: HeaderParts, dropped: ReadonlySet<string>): readonly string[] {
  const { context } = parts
  const present = new Set(
    parts.header.fields.map((field) => field.key).filter((key) => !dropped.has(key)),
  )
  const resent = parts.header.fields.some((field) => RESENT_FIELDS.has(field.key))
  const prefix = resent ? 'Resent-' : ''
  const lacks = (name: string) => !present.has(`${prefix}${name}`.toLowerCase())
  const { now, unique, names } = context
  // No local time is claimed (RFC 5322 section 3.3).
  const date = formatDate(now, 0).replace('+0000', '-0000')
  return [
    ...(lacks('Date') ? [`${prefix}Date: ${date}\n`] : []),
    ...(lacks('Message-ID')
      ? [`${prefix}Message-ID: ${formatMessageId(now, unique, names.defaultHost)}\n`]
      : []),
    ...(lacks('From') ? [`${prefix}From: ${madeFrom(parts)}\n`] : []),
    ...(lacks('To') && lacks('Cc') ? [`${prefix}Cc: ${NOBODY}\n`] : []),
  ]
}

/** `"Name" <address>`; with QMAILINJECT's `c`, `address (Name)`. */
function madeFrom({ invocation, context, sender }: HeaderParts): string {
  const given = invocation.sender !== undefined && sender !== ''
  const address = given ? sender : formatMailbox(visibleMailbox(invocation, context))
  const { QMAILNAME, MAILNAME, NAME } = invocation.environment
  const name = invocation.name ?? QMAILNAME ?? MAILNAME ?? NAME ?? ''
  if (name.trim() === '') return address
  if (hasInjectLetter(invocation, 'c') && /^[ -~]*$/.test(name)) {
    return `${address} (${name.replaceAll(/[()\\]/g, String.raw`\$&`)})`
  }
  return `${formatPhrase(name)} <${address}>`
}
