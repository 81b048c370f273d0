/**
 * The service extensions the server offers, and the parameters they add to MAIL and RCPT.
 *
 * A parameter that no offered extension defines is refused, never passed over: the client would
 * believe in a service it does not get. The values of ENVID and ORCPT are checked and kept as given.
 *
 * RFC 5321 section 4.1.1.11 (parameters), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8),
 * RFC 3461 section 4 (DSN), RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 2034.
 */

import type { Result } from '../result.ts'
import { ok, refused } from '../result.ts'

export interface MailParameters {
  readonly size?: number
  readonly body: '7bit' | '8bitmime'
  readonly smtputf8: boolean
  readonly ret?: 'full' | 'hdrs'
  readonly envelopeId?: string
}

export type NotifyWord = 'never' | 'success' | 'failure' | 'delay'

export interface RecipientParameters {
  readonly notify?: readonly NotifyWord[]
  readonly originalRecipient?: string
}

export type ParameterProblem = 'bad parameter' | 'unknown parameter'

/** The lines of the reply to EHLO after the first. */
export function extensionLines(messageSize: number): readonly string[] {
  return [
    'PIPELINING',
    `SIZE ${messageSize}`,
    '8BITMIME',
    'ENHANCEDSTATUSCODES',
    'SMTPUTF8',
    'CHUNKING',
    'DSN',
    'HELP',
  ]
}

type Reader<P> = (value: string | undefined) => Partial<P> | undefined

export function parseMailParameters(
  text: string,
  most: number,
): Result<MailParameters, ParameterProblem> {
  if (text === '') return ok(NO_MAIL_PARAMETERS)
  return parseParameters(text, { initial: NO_MAIL_PARAMETERS, readers: MAIL_READERS, most })
}

export function parseRecipientParameters(
  text: string,
  most: number,
): Result<RecipientParameters, ParameterProblem> {
  if (text === '') return ok(NO_RECIPIENT_PARAMETERS)
  const initial = NO_RECIPIENT_PARAMETERS
  return parseParameters(text, { initial, readers: RECIPIENT_READERS, most })
}

const NO_MAIL_PARAMETERS: MailParameters = { body: '7bit', smtputf8: false }
const NO_RECIPIENT_PARAMETERS: RecipientParameters = {}

// size-value = 1*20DIGIT       envid = xtext       ret = "FULL" / "HDRS"
const MAIL_READERS: Readonly<Record<string, Reader<MailParameters>>> = {
  SIZE: (value) => {
    if (value === undefined || !/^\d{1,20}$/.test(value)) return undefined
    return { size: Math.min(Number(value), Number.MAX_SAFE_INTEGER) }
  },
  BODY: (value) => {
    const body = value?.toLowerCase()
    return body === '7bit' || body === '8bitmime' ? { body } : undefined
  },
  SMTPUTF8: (value) => (value === undefined ? { smtputf8: true } : undefined),
  RET: (value) => {
    const ret = value?.toLowerCase()
    return ret === 'full' || ret === 'hdrs' ? { ret } : undefined
  },
  ENVID: (value) => (isXtext(value, LONGEST_ENVID) ? { envelopeId: value } : undefined),
}

// notify-list = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )      orcpt = addr-type ";" xtext
const RECIPIENT_READERS: Readonly<Record<string, Reader<RecipientParameters>>> = {
  NOTIFY: (value) => {
    const words = value?.toLowerCase().split(',') ?? []
    const distinct = new Set(words).size === words.length
    const legal =
      words.join() === 'never' || words.every((word) => /^(?:success|failure|delay)$/.test(word))
    return distinct && legal ? { notify: words as NotifyWord[] } : undefined
  },
  ORCPT: (value) => {
    const [, address] = /^[a-zA-Z0-9-]{1,20};(.+)$/s.exec(value ?? '') ?? []
    return value !== undefined && isXtext(address, LONGEST_ORCPT)
      ? { originalRecipient: value }
      : undefined
  },
}

/** RFC 3461 section 4.4 and section 4.2, whose limit of 500 counts the whole value. */
const LONGEST_ENVID = 100
const LONGEST_ORCPT = 478

// xtext = *( xchar / hexchar )      hexchar = "+" 2(%x30-39 / %x41-46)
function isXtext(value: string | undefined, longest: number): value is string {
  if (value === undefined || value === '' || value.length > longest) return false
  return /^(?:[!-*,-<>-~\u00a0-\u{10ffff}]|\+[0-9A-F]{2})+$/u.test(value)
}

interface Grammar<P> {
  readonly initial: P
  readonly readers: Readonly<Record<string, Reader<P>>>
  readonly most: number
}

// Mail-parameters = esmtp-param *(SP esmtp-param)
// esmtp-param     = esmtp-keyword ["=" esmtp-value]
// esmtp-keyword   = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
// esmtp-value     = 1*(%d33-60 / %d62-126)              / UTF8-non-ascii
function parseParameters<P>(text: string, grammar: Grammar<P>): Result<P, ParameterProblem> {
  const words = text.split(' ').filter((word) => word !== '')
  if (words.length > grammar.most) return refused('bad parameter')
  const seen = new Set<string>()
  let parameters = grammar.initial
  for (const word of words) {
    const [, keyword, value] = /^([a-z0-9][a-z0-9-]*)(?:=(.+))?$/is.exec(word) ?? []
    if (keyword === undefined) return refused('bad parameter')
    const name = keyword.toUpperCase()
    const reader = Object.hasOwn(grammar.readers, name) ? grammar.readers[name] : undefined
    if (reader === undefined) return refused('unknown parameter')
    const read = seen.has(name) ? undefined : reader(value)
    if (read === undefined) return refused('bad parameter')
    seen.add(name)
    parameters = { ...parameters, ...read }
  }
  return ok(parameters)
}
