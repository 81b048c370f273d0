/**
 * A command line, understood: verb and arguments, or what is wrong with it.
 *
 * The verb of a malformed command is known all the same, so that the session can answer that it comes
 * at the wrong time, or, for BDAT, that its bytes cannot be told from commands any more. Spaces after
 * the colon of MAIL and RCPT are taken, against the letter of RFC 5321 section 3.3, since many clients
 * send them; all else is as the grammar says.
 *
 * RFC 5321 section 4.1.1 (commands), RFC 3030 section 2 (BDAT), RFC 6531 section 3.4 (UTF-8).
 */

import type { Mailbox } from '../address/mailbox.ts'
import { formatMailbox, NULL_SENDER } from '../address/mailbox.ts'
import type { AddressLimits, PathProblem } from '../address/path.ts'
import { parseForwardPath, parseReversePath } from '../address/path.ts'
import { parseChunkHead } from './chunk.ts'
import type { MailParameters, ParameterProblem, RecipientParameters } from './extension.ts'
import { parseMailParameters, parseRecipientParameters } from './extension.ts'

export type CommandProblem =
  | PathProblem
  | ParameterProblem
  | 'bad arguments'
  | 'no arguments allowed'
  | 'needs SMTPUTF8'
  | 'no name'

export type Command =
  | { readonly verb: 'HELO' | 'EHLO'; readonly name: string }
  | {
      readonly verb: 'MAIL'
      /** Envelope text; empty for the null sender. */
      readonly reversePath: string
      readonly parameters: MailParameters
    }
  | {
      readonly verb: 'RCPT'
      readonly forwardPath: Mailbox
      readonly parameters: RecipientParameters
    }
  | { readonly verb: 'BDAT'; readonly size: number; readonly last: boolean }
  | { readonly verb: 'DATA' | 'RSET' | 'NOOP' | 'VRFY' | 'EXPN' | 'HELP' | 'QUIT' }
  | { readonly verb: 'malformed'; readonly of: Verb; readonly problem: CommandProblem }
  | { readonly verb: 'unknown' }

export const VERBS = [
  'HELO',
  'EHLO',
  'MAIL',
  'RCPT',
  'DATA',
  'BDAT',
  'RSET',
  'NOOP',
  'VRFY',
  'EXPN',
  'HELP',
  'QUIT',
] as const
export type Verb = (typeof VERBS)[number]

export interface CommandLimits {
  readonly address: AddressLimits
  readonly parameters: number
  readonly name: number
}

/** `line` without its CRLF. */
export function parseCommand(line: string, limits: CommandLimits): Command {
  const space = line.indexOf(' ')
  const word = (space === -1 ? line : line.slice(0, space)).toUpperCase()
  const verb = VERBS.find((candidate) => candidate === word)
  if (verb === undefined) return { verb: 'unknown' }
  const argument = space === -1 ? '' : line.slice(space + 1).trim()
  const parsed = parseArgument(verb, argument, limits)
  return typeof parsed === 'string' ? { verb: 'malformed', of: verb, problem: parsed } : parsed
}

function parseArgument(
  verb: Verb,
  argument: string,
  limits: CommandLimits,
): Command | CommandProblem {
  switch (verb) {
    case 'HELO':
    case 'EHLO':
      return parseHello(verb, argument, limits)
    case 'MAIL':
      return parseMail(argument, limits)
    case 'RCPT':
      return parseRcpt(argument, limits)
    case 'BDAT':
      return parseBdat(argument)
    case 'DATA':
    case 'RSET':
    case 'QUIT':
      return argument === '' ? { verb } : 'no arguments allowed'
    case 'NOOP':
    case 'VRFY':
    case 'EXPN':
    case 'HELP':
      return { verb }
  }
}

// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF; whatever a client calls itself is taken.
function parseHello(
  verb: 'HELO' | 'EHLO',
  name: string,
  limits: CommandLimits,
): Command | CommandProblem {
  return name === '' || Buffer.byteLength(name) > limits.name ? 'no name' : { verb, name }
}

// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
function parseMail(argument: string, limits: CommandLimits): Command | CommandProblem {
  const text = afterKeyword(argument, 'FROM:')
  if (text === undefined) return 'bad arguments'
  const path = parseReversePath(text, limits.address)
  if (!path.ok) return path.problem
  const { mailbox, rest } = path.value
  if (!startsWithSpace(rest)) return 'bad arguments'
  const parameters = parseMailParameters(rest.trimStart(), limits.parameters)
  if (!parameters.ok) return parameters.problem
  if (!parameters.value.smtputf8 && !isAscii(argument)) return 'needs SMTPUTF8'
  const reversePath = mailbox === 'null' ? NULL_SENDER : formatMailbox(mailbox)
  return { verb: 'MAIL', reversePath, parameters: parameters.value }
}

// rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF
function parseRcpt(argument: string, limits: CommandLimits): Command | CommandProblem {
  const text = afterKeyword(argument, 'TO:')
  if (text === undefined) return 'bad arguments'
  const path = parseForwardPath(text, limits.address)
  if (!path.ok) return path.problem
  const { mailbox, rest } = path.value
  if (!startsWithSpace(rest)) return 'bad arguments'
  const parameters = parseRecipientParameters(rest.trimStart(), limits.parameters)
  if (!parameters.ok) return parameters.problem
  return { verb: 'RCPT', forwardPath: mailbox, parameters: parameters.value }
}

function parseBdat(argument: string): Command | CommandProblem {
  const head = parseChunkHead(argument)
  return head === undefined ? 'bad arguments' : { verb: 'BDAT', ...head }
}

function afterKeyword(argument: string, keyword: string): string | undefined {
  return argument.slice(0, keyword.length).toUpperCase() === keyword
    ? argument.slice(keyword.length).trimStart()
    : undefined
}

function startsWithSpace(rest: string): boolean {
  return rest === '' || rest.startsWith(' ')
}

export function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}
