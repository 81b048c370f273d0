/**
 * What becomes of a message that a user of this host submits: its envelope, and what its header lacks.
 *
 * Says who sends it, who gets it, and which bytes its header is to have. Fields are kept as they were
 * written, byte by byte, unless an address in them has to be completed. Fields that are made come first.
 *
 *     made      Date, Message-ID, From, and a Cc that names nobody where neither To nor Cc is there
 *     removed   Bcc, Resent-Bcc, Return-Path, Content-Length
 *
 * A message that is resent (any Resent- field) gets Resent- fields instead, and with `-t` goes to the
 * Resent- recipients alone. An address named twice gets one copy. With `-t`, an address field that cannot
 * be read refuses the message; without, it is left alone, since nothing depends on it.
 *
 * The sender is only what the submitter says it is, with `-f` or without: whoever may submit may name
 * any sender. Received tells the uid, which cannot be forged.
 *
 * RFC 5322 section 3.6 (fields), section 3.6.6 (resent), RFC 6409 section 8 (what a submission may add).
 */

import type { Invocation } from '../contracts/drop-file.ts'
import type { PermanentStatus } from '../contracts/outcome.ts'
import type { NewRecipient } from '../contracts/submission.ts'
import { completeAddress } from '../protocol/address/address-format.ts'
import type { Address } from '../protocol/address/address-list.ts'
import { addressesOf, mailboxOf, parseAddressList } from '../protocol/address/address-list.ts'
import type { Mailbox } from '../protocol/address/mailbox.ts'
import { formatMailbox } from '../protocol/address/mailbox.ts'
import { parseReversePath } from '../protocol/address/path.ts'
import { fieldValue, readHeader } from '../protocol/message/header.ts'
import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'
import { LIMITS } from './limits.ts'
import type { ReadField } from './submission-header.ts'
import { completeHeader, readAddressFields, recipientKeys } from './submission-header.ts'
import type { SubmissionContext } from './submitter.ts'
import { byteText, hasInjectLetter, senderMailbox } from './submitter.ts'

export interface CompletedSubmission {
  readonly reversePath: string
  readonly recipients: readonly NewRecipient[]
  /** An address is not ASCII, so the way there must know RFC 6531. */
  readonly smtputf8: boolean
  /** LF form, with the empty line that ends it where the message had or needs one. */
  readonly header: Buffer
  /** Where the body begins in the bytes that were given. */
  readonly bodyStart: number
}

/** Why a submission goes back to its sender, in words for that person. */
export interface SubmissionProblem {
  readonly status: PermanentStatus
  readonly text: string
}

/** `bytes` begin with the message's header, whole, in LF form. */
export function completeSubmission(
  bytes: Uint8Array,
  invocation: Invocation,
  context: SubmissionContext,
): Result<CompletedSubmission, SubmissionProblem> {
  const header = readHeader(bytes)
  const fields = readAddressFields(bytes, header, context)
  const broken = invocation.recipientsInHeader ? fields.find((field) => 'problem' in field) : null
  if (broken !== null && broken !== undefined) {
    return refused(
      unreadable(utf8(`${broken.field.name}:${fieldValue(bytes, broken.field)}`), broken),
    )
  }
  const sender = senderOf(invocation, fields, context)
  if (!sender.ok) return sender
  const recipients = recipientsOf(invocation, fields, context)
  if (!recipients.ok) return recipients
  return ok({
    reversePath: utf8(sender.value),
    recipients: recipients.value.map((address) => newRecipient(address, invocation)),
    smtputf8: [sender.value, ...recipients.value].some((address) =>
      /[\u0080-\u00ff]/.test(address),
    ),
    header: completeHeader(bytes, { header, fields, invocation, context, sender: sender.value }),
    bodyStart: header.bodyStart,
  })
}

function newRecipient(address: string, invocation: Invocation): NewRecipient {
  const { notify } = invocation
  return { address: utf8(address), ...(notify === undefined ? {} : { notify }) }
}

/** The reverse-path, one character a byte: `-f`, else the first Return-Path, else the submitter. */
function senderOf(
  invocation: Invocation,
  fields: readonly ReadField[],
  context: SubmissionContext,
): Result<string, SubmissionProblem> {
  if (invocation.sender !== undefined) return givenSender(invocation.sender, context)
  const returnPath = fields.find((field) => field.field.key === 'return-path')
  if (returnPath !== undefined && 'entries' in returnPath && !hasInjectLetter(invocation, 's')) {
    const [address] = addressesOf(returnPath.entries)
    const mailbox = address === undefined ? '' : envelopeOf(address)
    if (mailbox !== undefined) return ok(mailbox)
  }
  const mailbox = senderMailbox(invocation, context)
  const text = envelopeText(mailbox)
  return text === undefined ? refused(badEnvironment(mailbox)) : ok(text)
}

function givenSender(text: string, context: SubmissionContext): Result<string, SubmissionProblem> {
  if (text.trim() === '') return ok('')
  const list = parseAddressList(byteText(text), 1)
  const [address, ...more] = list.ok ? addressesOf(list.value) : []
  if (address === undefined || more.length > 0) {
    return refused({
      status: '5.1.7',
      text: `The sender given with -f cannot be read: ${shown(text)}`,
    })
  }
  const mailbox = envelopeOf(completeAddress(address, context.names))
  return mailbox === undefined
    ? refused({ status: '5.1.7', text: `The sender given with -f cannot be used: ${shown(text)}` })
    : ok(mailbox)
}

function recipientsOf(
  invocation: Invocation,
  fields: readonly ReadField[],
  context: SubmissionContext,
): Result<readonly string[], SubmissionProblem> {
  const found = new Map<string, string>()
  const add = (address: Address): boolean => {
    const mailbox = envelopeOf(completeAddress(address, context.names))
    if (mailbox === undefined) return false
    const at = mailbox.lastIndexOf('@')
    const key = mailbox.slice(0, at) + mailbox.slice(at).toLowerCase()
    if (mailbox !== '' && !found.has(key)) found.set(key, mailbox)
    return true
  }
  for (const argument of invocation.recipients) {
    const list = parseAddressList(byteText(argument), context.mostRecipients)
    if (!list.ok || !addressesOf(list.value).every(add)) return refused(badRecipient(argument))
  }
  if (invocation.recipientsInHeader) {
    const keys = recipientKeys(fields)
    for (const field of fields) {
      if (!('entries' in field) || !keys.includes(field.field.key)) continue
      const bad = addressesOf(field.entries).find((address) => !add(address))
      if (bad !== undefined)
        return refused(badRecipient(utf8(bad.words.map(({ text }) => text).join(''))))
    }
  }
  if (found.size === 0) return refused(NO_RECIPIENTS)
  if (found.size > context.mostRecipients) return refused(tooManyRecipients(context))
  return ok([...found.values()])
}

/** Empty for an empty address; absent for what no envelope can carry. */
function envelopeOf(address: Address): string | undefined {
  const mailbox = mailboxOf(address)
  return mailbox === undefined ? '' : envelopeText(mailbox)
}

/** As SMTP would read it, one character a byte; absent for what SMTP would not take. */
function envelopeText(mailbox: Mailbox): string | undefined {
  if (mailbox.localPart === '') return undefined
  const text = formatMailbox(mailbox)
  const decoded = utf8(text)
  if (decoded.includes('\ufffd')) return undefined
  const path = parseReversePath(`<${decoded}>`, ADDRESS_LIMITS)
  return path.ok && path.value.rest === '' ? text : undefined
}

/** The same as those of addresses that come by SMTP; they keep below `LONGEST_ADDRESS`. */
const ADDRESS_LIMITS = { localPart: LIMITS.localPart.value, domain: LIMITS.domain.value }

const NO_RECIPIENTS: SubmissionProblem = {
  status: '5.1.0',
  text: 'The message names no recipients: neither on the command line nor in its header.',
}

function tooManyRecipients({ mostRecipients }: SubmissionContext): SubmissionProblem {
  return {
    status: '5.5.3',
    text: `The message has more than ${mostRecipients} recipients, which is the limit of this host.`,
  }
}

function badEnvironment(mailbox: Mailbox): SubmissionProblem {
  const text = shown(utf8(formatMailbox(mailbox)))
  return {
    status: '5.1.7',
    text: `The sender that the environment names (QMAILUSER, QMAILHOST and the like) cannot be used: ${text}`,
  }
}

function badRecipient(text: string): SubmissionProblem {
  return { status: '5.1.3', text: `This recipient's address cannot be used: ${shown(text)}` }
}

function unreadable(line: string, field: ReadField): SubmissionProblem {
  const why = 'problem' in field ? field.problem : ''
  return { status: '5.6.0', text: `This header field cannot be read (${why}): ${shown(line)}` }
}

/** Foreign text in one line of a message to a person. */
function shown(text: string): string {
  const line = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '?')
    .trim()
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}
