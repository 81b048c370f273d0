/**
 * What the server says: every reply in one table, and how a reply is written.
 *
 * Code and status stand in one type, so a permanent code with a temporary status does not compile. The
 * texts are for strangers: they name no host, path, account or rule of ours; the log has those.
 *
 * RFC 5321 section 4.2 (replies), RFC 2034 (enhanced codes; not in the greeting, HELO, EHLO and 354),
 * RFC 3463 (their meaning).
 */

type SuccessCode = 211 | 214 | 220 | 221 | 250 | 252
type TransientCode = 421 | 450 | 451 | 452
type PermanentCode = 500 | 501 | 502 | 503 | 504 | 521 | 550 | 551 | 552 | 553 | 554 | 555

interface Words {
  readonly text: string
  /** Further lines under the same code. */
  readonly more?: readonly string[]
}
export interface SuccessReply extends Words {
  readonly code: SuccessCode
  readonly status?: `2.${number}.${number}`
}
export interface IntermediateReply extends Words {
  readonly code: 354
  readonly status?: never
}
export interface TransientReply extends Words {
  readonly code: TransientCode
  readonly status: `4.${number}.${number}`
}
export interface PermanentReply extends Words {
  readonly code: PermanentCode
  readonly status: `5.${number}.${number}`
}
export type Refusal = TransientReply | PermanentReply
export type Reply = SuccessReply | IntermediateReply | Refusal

export const REPLY = {
  // Well done
  ok: { code: 250, status: '2.0.0', text: 'ok' },
  senderOk: { code: 250, status: '2.1.0', text: 'sender ok' },
  recipientOk: { code: 250, status: '2.1.5', text: 'recipient ok' },
  sendContent: { code: 354, text: 'go ahead, end with a dot on a line of its own' },
  chunkOk: { code: 250, status: '2.0.0', text: 'chunk received' },
  cannotVerify: { code: 252, status: '2.0.0', text: 'send mail to find out' },
  goodbye: { code: 221, status: '2.0.0', text: 'goodbye' },
  help: {
    code: 214,
    status: '2.0.0',
    text: 'Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT',
    more: ['This is Postern. Its standard is RFC 5321.'],
  },

  // Commands that cannot be carried out
  unknownCommand: { code: 500, status: '5.5.1', text: 'unknown command' },
  badLine: {
    code: 500,
    status: '5.5.2',
    text: 'a line must end in CRLF and hold no CR, LF or NUL',
  },
  lineTooLong: { code: 500, status: '5.5.2', text: 'command line too long' },
  notText: { code: 500, status: '5.5.2', text: 'a command must be ASCII or UTF-8' },
  badSyntax: { code: 501, status: '5.5.4', text: 'bad arguments; HELP lists the commands' },
  noArguments: { code: 501, status: '5.5.4', text: 'this command takes no arguments' },
  helloName: { code: 501, status: '5.5.4', text: 'say who you are: a domain name' },
  badParameter: { code: 501, status: '5.5.4', text: 'bad or repeated parameter' },
  unknownParameter: { code: 555, status: '5.5.4', text: 'unknown parameter' },
  notOffered: { code: 502, status: '5.5.1', text: 'not offered here' },
  helloFirst: { code: 503, status: '5.5.1', text: 'EHLO first' },
  mailFirst: { code: 503, status: '5.5.1', text: 'MAIL first' },
  recipientFirst: { code: 503, status: '5.5.1', text: 'no valid recipient yet' },
  nestedMail: { code: 503, status: '5.5.1', text: 'there is a sender already; RSET to begin anew' },
  chunksBegun: { code: 503, status: '5.5.1', text: 'only BDAT or RSET after BDAT' },

  // Addresses
  noBrackets: { code: 501, status: '5.5.4', text: 'the address must stand in <angle brackets>' },
  badSender: { code: 501, status: '5.1.7', text: 'not a valid sender address' },
  badRecipient: { code: 501, status: '5.1.3', text: 'not a valid recipient address' },
  addressTooLong: { code: 501, status: '5.1.3', text: 'address too long' },
  needsSmtputf8: { code: 553, status: '5.6.7', text: 'this address needs SMTPUTF8' },
  relayingDenied: { code: 550, status: '5.7.1', text: 'relaying denied' },
  unknownRecipient: { code: 550, status: '5.1.1', text: 'no such mailbox here' },
  recipientUnsure: {
    code: 451,
    status: '4.3.0',
    text: 'cannot check the recipient now, try later',
  },
  tooManyRecipients: {
    code: 452,
    status: '4.5.3',
    text: 'too many recipients; send again for the rest',
  },

  // Content
  tooLarge: { code: 552, status: '5.3.4', text: 'message too large' },
  badLineEnds: {
    code: 554,
    status: '5.6.0',
    text: 'refused: every line must end in CRLF; a CR, LF or NUL stood alone',
  },
  textLineTooLong: { code: 554, status: '5.6.0', text: 'refused: a line is too long' },
  headerTooLong: { code: 554, status: '5.6.0', text: 'refused: the header is too long' },
  looping: { code: 554, status: '5.4.6', text: 'refused: too many hops, this message is looping' },

  // The whole session
  queueAway: { code: 451, status: '4.3.0', text: 'cannot take mail now, try later' },
  earlyTalker: { code: 554, status: '5.5.1', text: 'you spoke before the greeting' },
  tooManySessions: { code: 421, status: '4.3.2', text: 'too many sessions, try later' },
  tooManyOfClient: { code: 421, status: '4.7.0', text: 'too many sessions from your address' },
  tooManyErrors: { code: 421, status: '4.7.0', text: 'too many errors, goodbye' },
  idleTooLong: { code: 421, status: '4.4.2', text: 'nothing heard for too long, goodbye' },
  leaving: { code: 421, status: '4.3.0', text: 'closing for now, try again in a moment' },
} as const satisfies Record<string, Reply>

export function greeting(hostname: string): Reply {
  return { code: 220, text: `${hostname} ESMTP Postern` }
}

export function queued(queueId: string): Reply {
  return { code: 250, status: '2.0.0', text: `queued as ${queueId}` }
}

/** A refusal in the words of another program, made harmless. */
export function refusal(status: TransientReply['status'] | PermanentReply['status'], text: string) {
  const words = text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, LONGEST_WORDS) || 'refused'
  return isTemporary(status)
    ? ({ code: TRANSIENT_CODE[status] ?? 451, status, text: words } as const)
    : ({ code: PERMANENT_CODE[status] ?? 554, status, text: words } as const)
}

/** RFC 5321 section 4.5.3.1.5: 512 bytes a reply line. */
const LONGEST_WORDS = 400
/** RFC 3463 statuses that have a basic code of their own. */
const TRANSIENT_CODE: Readonly<Record<string, TransientCode>> = { '4.3.1': 452, '4.5.3': 452 }
const PERMANENT_CODE: Readonly<Record<string, PermanentCode>> = { '5.3.4': 552, '5.1.1': 550 }

function isTemporary(status: string): status is TransientReply['status'] {
  return status.startsWith('4')
}

// Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
export function formatReply(reply: Reply): string {
  const status = reply.status === undefined ? '' : `${reply.status} `
  if (reply.more === undefined) return `${reply.code} ${status}${reply.text}\r\n`
  const lines = [reply.text, ...reply.more]
  return lines
    .map(
      (line, index) => `${reply.code}${index < lines.length - 1 ? '-' : ' '}${status}${line}\r\n`,
    )
    .join('')
}
