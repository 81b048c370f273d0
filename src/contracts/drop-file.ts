/**
 * The file by which `sendmail` hands a message to pickup.
 *
 *     file    = magic LF *entry "message" LF message LF "end" SP length LF
 *     magic   = "postern-drop 1"
 *     entry   = key SP size ":" value "," LF         size: of the value, in bytes
 *     message = *OCTET                               as it came, `length` bytes
 *
 * Every value has its size in front, so that none can be mistaken for another entry, whatever is
 * in it; a shell can write this with `printf`. The writer is anybody who can log in: the reader checks
 * every byte. A file is complete when its mode says so; `end` shows that it is whole.
 */

import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'
import { ACCOUNT_PATTERN } from './account.ts'
import type { Notify } from './submission.ts'
import { NOTIFY_WORDS } from './submission.ts'

/** What the submitter asked for. Texts are as the caller gave them and not checked any further. */
export interface Invocation {
  /** The submitter's login name, by its own account: a hint. */
  readonly login?: string
  /** `-f`; empty for the null sender. */
  readonly sender?: string
  /** `-F`. */
  readonly name?: string
  readonly recipients: readonly string[]
  /** `-t`. */
  readonly recipientsInHeader: boolean
  /** `-i`: a line with nothing but a dot does not end the message. */
  readonly keepDots: boolean
  /** `-G`: mail of others on its way; its header is left as it is. */
  readonly gateway: boolean
  readonly eightBit: boolean
  readonly notify?: readonly Notify[]
  readonly ret?: 'full' | 'hdrs'
  readonly envelopeId?: string
  /** `-h`: how often the message has travelled already. */
  readonly hops: number
  /** QMAILUSER and the like; only names in `DROP_ENVIRONMENT`. */
  readonly environment: Readonly<Partial<Record<EnvironmentName, string>>>
}

export const DROP_ENVIRONMENT = [
  'QMAILUSER',
  'MAILUSER',
  'QMAILHOST',
  'MAILHOST',
  'QMAILNAME',
  'MAILNAME',
  'NAME',
  'QMAILSUSER',
  'QMAILSHOST',
  'QMAILINJECT',
] as const
export type EnvironmentName = (typeof DROP_ENVIRONMENT)[number]

export interface DropLimits {
  /** Bytes of everything in front of the message. */
  readonly head: number
  readonly recipients: number
}

export interface DropHead {
  readonly invocation: Invocation
  /** Where the message begins. */
  readonly messageStart: number
}

export type DropProblem =
  | 'not a drop file'
  | 'of another version'
  | 'its head is malformed'
  | 'its head is too long'
  | 'it names too many recipients'
  | 'its end is missing'

const FAMILY = Buffer.from('postern-drop ')
const MAGIC = Buffer.from('postern-drop 1\n')
const MESSAGE = Buffer.from('message\n')
/** `sender 12:`, and no longer. */
const LONGEST_LABEL = 40
const LABEL = /^([a-z-]{1,24}) (0|[1-9][0-9]{0,7}):$/
const LF = 0x0a
const COLON = 0x3a
const COMMA = 0x2c

/** Longest end line; read so many bytes from the file's end. */
export const DROP_END_SIZE = 32
const END_LINE = /\nend (0|[1-9][0-9]{0,14})\n$/

/**
 * Reads the head from the first bytes of a file. Answers 'more' if they are too few: call again with
 * more, from the beginning.
 */
export function parseDropHead(
  bytes: Uint8Array,
  limits: DropLimits,
): Result<DropHead | 'more', DropProblem> {
  if (!startsWith(bytes, 0, MAGIC)) return magicProblem(bytes)
  const entries: Entry[] = []
  let offset = MAGIC.length
  for (;;) {
    if (offset > limits.head) return refused('its head is too long')
    if (startsWith(bytes, offset, MESSAGE)) break
    const entry = readEntry(bytes, offset)
    if (entry === 'malformed') return refused('its head is malformed')
    if (entry === 'more') {
      return bytes.length > limits.head ? refused('its head is too long') : ok('more')
    }
    entries.push(entry)
    offset = entry.end
  }
  const invocation = invocationOf(entries)
  if (invocation === undefined) return refused('its head is malformed')
  if (invocation.recipients.length > limits.recipients) {
    return refused('it names too many recipients')
  }
  return ok({ invocation, messageStart: offset + MESSAGE.length })
}

/** From the last bytes of a file, where its message ends. */
export function parseDropEnd(
  tail: Uint8Array,
  fileSize: number,
  messageStart: number,
): Result<number, DropProblem> {
  const match = END_LINE.exec(Buffer.from(tail).toString('latin1'))
  if (match === null) return refused('its end is missing')
  const messageEnd = fileSize - match[0].length
  return messageEnd - messageStart === Number(match[1])
    ? ok(messageEnd)
    : refused('its end is missing')
}

/** The whole file. */
export function formatDropFile(invocation: Invocation, message: Uint8Array): Buffer {
  const put = (key: string, value: string | undefined) =>
    value === undefined ? '' : `${key} ${Buffer.byteLength(value)}:${value},\n`
  const flag = (key: string, set: boolean) => (set ? put(key, 'yes') : '')
  const head = [
    put('login', invocation.login),
    put('sender', invocation.sender),
    put('name', invocation.name),
    flag('recipients-in-header', invocation.recipientsInHeader),
    flag('keep-dots', invocation.keepDots),
    flag('gateway', invocation.gateway),
    put('notify', invocation.notify?.join(',')),
    put('ret', invocation.ret),
    put('envelope-id', invocation.envelopeId),
    invocation.eightBit ? put('body', '8bitmime') : '',
    invocation.hops === 0 ? '' : put('hops', String(invocation.hops)),
    ...DROP_ENVIRONMENT.map((name) => {
      const value = invocation.environment[name]
      return value === undefined ? '' : put('environment', `${name}=${value}`)
    }),
    ...invocation.recipients.map((recipient) => put('recipient', recipient)),
  ].join('')
  const end = Buffer.from(`\nend ${message.length}\n`)
  return Buffer.concat([MAGIC, Buffer.from(head), MESSAGE, message, end])
}

interface Entry {
  readonly key: string
  readonly value: string
  readonly end: number
}

function readEntry(bytes: Uint8Array, start: number): Entry | 'more' | 'malformed' {
  const colon = bytes.subarray(start, start + LONGEST_LABEL).indexOf(COLON)
  if (colon === -1) return bytes.length - start < LONGEST_LABEL ? 'more' : 'malformed'
  const label = LABEL.exec(textOf(bytes, start, start + colon + 1))
  const key = label?.[1]
  if (key === undefined) return 'malformed'
  const valueStart = start + colon + 1
  const valueEnd = valueStart + Number(label?.[2])
  if (valueEnd + 2 > bytes.length) return 'more'
  if (bytes[valueEnd] !== COMMA || bytes[valueEnd + 1] !== LF) return 'malformed'
  return { key, value: textOf(bytes, valueStart, valueEnd), end: valueEnd + 2 }
}

/** Nothing if an entry is unknown, given twice, or has a value it cannot have. */
function invocationOf(entries: readonly Entry[]): Invocation | undefined {
  const single = new Map<string, string>()
  const recipients: string[] = []
  const environment: Partial<Record<EnvironmentName, string>> = {}
  for (const { key, value } of entries) {
    if (key === 'recipient') recipients.push(value)
    else if (key === 'environment') {
      const name = DROP_ENVIRONMENT.find((candidate) => value.startsWith(`${candidate}=`))
      if (name === undefined) return undefined
      environment[name] = value.slice(name.length + 1)
    } else if (single.has(key) || !Object.hasOwn(SINGLE, key)) return undefined
    else single.set(key, value)
  }
  for (const [key, value] of single) {
    if (SINGLE[key]?.test(value) !== true) return undefined
  }
  return { ...singleFields(single), recipients, environment }
}

/** What each entry that is given once may say. */
const SINGLE: Readonly<Record<string, RegExp>> = {
  login: /^/,
  sender: /^/,
  name: /^/,
  'recipients-in-header': /^yes$/,
  'keep-dots': /^yes$/,
  gateway: /^yes$/,
  notify: /^(?:never|(?:success|failure|delay)(?:,(?:success|failure|delay)){0,2})$/i,
  ret: /^(?:full|hdrs)$/,
  // RFC 3461 section 4.4: at most 100 characters as it is written, `+2B` being three.
  'envelope-id': /^(?=.{1,100}$)(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/,
  body: /^8bitmime$/,
  hops: /^[0-9]{1,4}$/,
}

function singleFields(
  given: ReadonlyMap<string, string>,
): Omit<Invocation, 'recipients' | 'environment'> {
  const login = given.get('login')
  const sender = given.get('sender')
  const name = given.get('name')
  const words = given.get('notify')?.toLowerCase().split(',')
  const envelopeId = given.get('envelope-id')
  return {
    // A login name that is none is no hint; that must not keep mail from being sent.
    ...(login !== undefined && ACCOUNT_PATTERN.test(login) ? { login } : {}),
    ...(sender === undefined ? {} : { sender }),
    ...(name === undefined ? {} : { name }),
    recipientsInHeader: given.has('recipients-in-header'),
    keepDots: given.has('keep-dots'),
    gateway: given.has('gateway'),
    eightBit: given.has('body'),
    hops: Number(given.get('hops') ?? '0'),
    ...(words === undefined ? {} : { notify: NOTIFY_WORDS.filter((word) => words.includes(word)) }),
    ...(given.has('ret') ? { ret: given.get('ret') === 'full' ? 'full' : 'hdrs' } : {}),
    ...(envelopeId === undefined ? {} : { envelopeId }),
  }
}

function magicProblem(bytes: Uint8Array): Result<'more', DropProblem> {
  if (bytes.length < MAGIC.length && startsWith(MAGIC, 0, bytes)) return ok('more')
  return refused(startsWith(bytes, 0, FAMILY) ? 'of another version' : 'not a drop file')
}

function startsWith(bytes: Uint8Array, offset: number, expected: Uint8Array): boolean {
  if (bytes.length - offset < expected.length) return false
  return expected.every((byte, index) => bytes[offset + index] === byte)
}

/** UTF-8; what is not becomes U+FFFD, which no address may hold. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}
