/**
 * The limits of the protocol: how much of anything a stranger may make us keep, each beside the least
 * that a standard demands of us.
 *
 * Here are only those an administrator has no reason to change; sizes of messages, numbers of sessions and
 * the like are settings (contracts/settings.ts, `Limits`). Parsers are handed their limits as parameters.
 *
 * RFC 5321 section 4.5.3.1 (sizes), section 4.5.3.2 (times).
 */

export interface Limit {
  readonly value: number
  readonly unit: 'bytes' | 'seconds' | 'items'
  /** What the standard named beside it demands at least. */
  readonly least?: number
  readonly standard?: string
  readonly why: string
}

export const LIMITS = {
  localPart: {
    value: 256,
    unit: 'bytes',
    least: 64,
    standard: 'RFC 5321 section 4.5.3.1.1',
    why: 'Return paths of mailing lists and forwarders carry a whole address in theirs.',
  },
  domain: {
    value: 255,
    unit: 'bytes',
    least: 255,
    standard: 'RFC 5321 section 4.5.3.1.2',
    why: 'No longer name exists in the DNS.',
  },
  commandLine: {
    value: 4_096,
    unit: 'bytes',
    least: 512,
    standard: 'RFC 5321 section 4.5.3.1.4',
    why: 'Extensions lengthen MAIL and RCPT: RFC 3461 by 500 and more, RFC 6531 by 10.',
  },
  commandParameters: {
    value: 12,
    unit: 'items',
    why: 'More than twice as many as are defined for any one command we know.',
  },
  helloName: {
    value: 255,
    unit: 'bytes',
    least: 255,
    standard: 'RFC 5321 section 4.5.3.1.2',
    why: 'It names a domain or an address literal; it ends up in Received and in the log.',
  },
  textLine: {
    value: 102_400,
    unit: 'bytes',
    least: 1_000,
    standard: 'RFC 5321 section 4.5.3.1.6',
    why: 'Programs write HTML in one long line; such mail has always been carried.',
  },
  header: {
    value: 1_048_576,
    unit: 'bytes',
    why: 'Everyone who reads a header holds it in memory.',
  },
  refusedContent: {
    value: 16_777_216,
    unit: 'bytes',
    why: 'Read and dropped so that the client hears why it is refused; after that it is cut off.',
  },
  pendingInput: {
    value: 65_536,
    unit: 'bytes',
    why: 'What a client may send ahead while a reply is being made.',
  },
  pendingOutput: {
    value: 65_536,
    unit: 'bytes',
    why: 'Replies a client has not read; no command is taken until it has.',
  },
  farewell: {
    value: 5,
    unit: 'seconds',
    why: 'How long a session that has been ended is kept so that its last reply arrives.',
  },
  recipientAnswer: {
    value: 20,
    unit: 'seconds',
    why: 'Clients wait five minutes for RCPT (RFC 5321 section 4.5.3.2.3), but in vain.',
  },
  submissionAnswer: {
    value: 480,
    unit: 'seconds',
    why: 'Clients wait ten minutes after the last dot (RFC 5321 section 4.5.3.2.6).',
  },
  rememberedRecipients: {
    value: 10_000,
    unit: 'items',
    why: 'Answers about recipients kept in one receiver.',
  },
  knownRecipient: {
    value: 60,
    unit: 'seconds',
    why: 'An account that was removed may be accepted so much longer, and is returned then.',
  },
  unknownRecipient: {
    value: 10,
    unit: 'seconds',
    why: 'A new account must not be refused for long.',
  },
} as const satisfies Record<string, Limit>
