/**
 * Which reply each problem of a command or of a message's content gets.
 *
 * After content whose line ends cannot be trusted the session is closed, so that nothing that was
 * pipelined behind it is ever taken for a command.
 */

import type { CommandProblem } from '../../protocol/smtp/command.ts'
import type { LineEndProblem } from '../../protocol/smtp/data.ts'
import type { LineProblem } from '../../protocol/smtp/line.ts'
import type { Refusal } from '../../protocol/smtp/reply.ts'
import { REPLY } from '../../protocol/smtp/reply.ts'

export type ContentProblem = LineEndProblem | 'too large' | 'header too long' | 'looping'

export const COMMAND_REFUSAL: Readonly<Record<CommandProblem, Refusal>> = {
  'no angle brackets': REPLY.noBrackets,
  'not an address': REPLY.badRecipient,
  'no domain': REPLY.badRecipient,
  'too long': REPLY.addressTooLong,
  'empty path': REPLY.badRecipient,
  'bad parameter': REPLY.badParameter,
  'unknown parameter': REPLY.unknownParameter,
  'bad arguments': REPLY.badSyntax,
  'no arguments allowed': REPLY.noArguments,
  'needs SMTPUTF8': REPLY.needsSmtputf8,
  'no name': REPLY.helloName,
}

export const LINE_REFUSAL: Readonly<Record<LineProblem, Refusal>> = {
  'bad line': REPLY.badLine,
  'too long': REPLY.lineTooLong,
  'not text': REPLY.notText,
}

interface ContentRefusal {
  readonly reply: Refusal
  readonly close: boolean
}

const lineEnds: ContentRefusal = { reply: REPLY.badLineEnds, close: true }

export const CONTENT_REFUSAL: Readonly<Record<ContentProblem, ContentRefusal>> = {
  'bare CR': lineEnds,
  'bare LF': lineEnds,
  NUL: lineEnds,
  'line too long': { reply: REPLY.textLineTooLong, close: false },
  'header too long': { reply: REPLY.headerTooLong, close: false },
  'too large': { reply: REPLY.tooLarge, close: false },
  looping: { reply: REPLY.looping, close: false },
}
