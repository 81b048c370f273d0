/**
 * What the server answers: one SMTP session as a value, stepped by commands.
 *
 *              HELO, EHLO           MAIL                first BDAT
 *     fresh ──────────────▶ ready ───────▶ addressed ──────────────▶ chunked
 *                             ▲              │ RCPT    ▲ RCPT         │
 *                             │              └─────────┘              │
 *                             └── RSET, HELO, EHLO, end of content ◀──┘
 *
 * Nothing is done here. A step answers the next session and one effect, which the shell carries out; a
 * question that takes time (is there such a recipient, what became of the content) comes back through a
 * function of its own. Order is judged before arguments, and replies are protocol/smtp/reply.ts.
 *
 * RFC 5321 section 4.1.4 (order of commands), section 3.3 (transactions), RFC 3030 (BDAT).
 */

import type {
  MessageTraits,
  NewRecipient,
  RecipientAnswer,
  SubmissionAnswer,
} from '../../contracts/submission.ts'
import type { RelayDecision } from '../../policy/relaying.ts'
import type { Mailbox } from '../../protocol/address/mailbox.ts'
import { formatMailbox } from '../../protocol/address/mailbox.ts'
import type { Command, Verb } from '../../protocol/smtp/command.ts'
import { isAscii } from '../../protocol/smtp/command.ts'
import { extensionLines } from '../../protocol/smtp/extension.ts'
import type { Refusal, Reply } from '../../protocol/smtp/reply.ts'
import { queued, REPLY, refusal } from '../../protocol/smtp/reply.ts'
import type { ContentProblem } from './refusals.ts'
import { COMMAND_REFUSAL, CONTENT_REFUSAL } from './refusals.ts'

export interface Hello {
  readonly name: string
  readonly extended: boolean
}

export interface Envelope {
  /** Empty for the null sender. */
  readonly reversePath: string
  readonly traits: MessageTraits
  readonly announcedSize?: number
  readonly recipients: readonly NewRecipient[]
}

export type Session = { readonly errors: number } & (
  | { readonly phase: 'fresh' }
  | { readonly phase: 'ready'; readonly hello: Hello }
  | {
      /** `chunked`: BDAT has begun, the recipients are settled. */
      readonly phase: 'addressed' | 'chunked'
      readonly hello: Hello
      readonly envelope: Envelope
    }
)

export const FRESH: Session = { phase: 'fresh', errors: 0 }

export interface SessionPolicy {
  readonly hostname: string
  readonly messageSize: number
  readonly recipientsPerMessage: number
  readonly sessionErrors: number
  readonly relaying: (mailbox: Mailbox) => RelayDecision
}

export type Effect =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** Reply, then end the session; what the client has sent beyond is never looked at. */
  | { readonly kind: 'close'; readonly replies: readonly Reply[] }
  /** Ask whether the recipient exists, then `recipientAnswered`. */
  | { readonly kind: 'check'; readonly recipient: NewRecipient }
  /** Reply, then read content up to the dot, then `contentAnswered` or `contentRefused`. */
  | { readonly kind: 'data'; readonly reply: Reply }
  /** Read so many bytes of content; with the last, `contentAnswered`. */
  | { readonly kind: 'chunk'; readonly size: number; readonly last: boolean }
  /** Read so many bytes, drop them, then reply. */
  | { readonly kind: 'drop'; readonly size: number; readonly reply: Reply }

export interface Turn {
  readonly session: Session
  readonly effect: Effect
  /** For the log: why a recipient or the whole session was refused. */
  readonly refused?: { readonly recipient?: string; readonly because: string }
}

export function step(session: Session, command: Command, policy: SessionPolicy): Turn {
  return countErrors(obey(session, command, policy), policy)
}

/** The answer to an effect `check`. */
export function recipientAnswered(
  session: Session,
  recipient: NewRecipient,
  answer: RecipientAnswer,
  policy: SessionPolicy,
): Turn {
  switch (answer.kind) {
    case 'known':
      return addRecipient(session, recipient)
    case 'unknown':
      return countErrors(refuse(session, recipient, REPLY.unknownRecipient, answer.because), policy)
    case 'unsure':
      return refuse(session, recipient, REPLY.recipientUnsure, answer.because)
  }
}

/** The queue's answer to a whole message. */
export function contentAnswered(session: Session, answer: SubmissionAnswer): Turn {
  const reply =
    answer.kind === 'accepted' ? queued(answer.queueId) : refusal(answer.status, answer.text)
  return { session: withoutTransaction(session), effect: { kind: 'reply', reply } }
}

/** The content, read to its end, cannot be taken. */
export function contentRefused(session: Session, problem: ContentProblem): Turn {
  const { reply, close } = CONTENT_REFUSAL[problem]
  const next = withoutTransaction(session)
  const refused = { because: `content: ${problem}` }
  if (close) return { session: next, effect: { kind: 'close', replies: [reply] }, refused }
  return { session: next, effect: { kind: 'reply', reply }, refused }
}

/** True while the session holds nothing that ending it would destroy. */
export function isBetweenTransactions(
  session: Session,
): session is Extract<Session, { readonly phase: 'fresh' | 'ready' }> {
  return session.phase === 'fresh' || session.phase === 'ready'
}

function obey(session: Session, command: Command, policy: SessionPolicy): Turn {
  if (command.verb === 'unknown') return say(session, REPLY.unknownCommand)
  if (command.verb === 'malformed') return malformed(session, command)
  const early = outOfOrder(session, command.verb)
  if (early !== undefined && command.verb === 'BDAT') {
    return { session, effect: { kind: 'drop', size: command.size, reply: early } }
  }
  return early === undefined ? take(session, command, policy) : say(session, early)
}

function malformed(session: Session, command: Malformed): Turn {
  const reply = COMMAND_REFUSAL[command.problem]
  if (command.of === 'BDAT') {
    const refused = { because: 'a BDAT whose length cannot be read' }
    return { session, effect: { kind: 'close', replies: [reply] }, refused }
  }
  return say(session, outOfOrder(session, command.of) ?? badAddress(command) ?? reply)
}

type Malformed = Extract<Command, { readonly verb: 'malformed' }>
type WellFormed = Exclude<Command, { readonly verb: 'malformed' | 'unknown' }>

/** The same problem has another status in a sender than in a recipient. */
function badAddress({ of, problem }: Malformed): Refusal | undefined {
  if (problem !== 'not an address' && problem !== 'no domain') return undefined
  return of === 'MAIL' ? REPLY.badSender : REPLY.badRecipient
}

function outOfOrder({ phase }: Session, verb: Verb): Refusal | undefined {
  switch (verb) {
    case 'MAIL':
      if (phase === 'fresh') return REPLY.helloFirst
      return phase === 'ready' ? undefined : REPLY.nestedMail
    case 'RCPT':
    case 'DATA':
      if (phase === 'chunked') return REPLY.chunksBegun
      return phase === 'addressed' ? undefined : REPLY.mailFirst
    case 'BDAT':
      return phase === 'addressed' || phase === 'chunked' ? undefined : REPLY.mailFirst
    case 'HELO':
    case 'EHLO':
    case 'RSET':
    case 'NOOP':
    case 'VRFY':
    case 'EXPN':
    case 'HELP':
    case 'QUIT':
      return undefined
  }
}

function take(session: Session, command: WellFormed, policy: SessionPolicy): Turn {
  switch (command.verb) {
    case 'HELO':
    case 'EHLO':
      return hello(session, { name: command.name, extended: command.verb === 'EHLO' }, policy)
    case 'MAIL':
      return mail(session, command, policy)
    case 'RCPT':
      return rcpt(session, command, policy)
    case 'DATA':
      return data(session)
    case 'BDAT':
      return bdat(session, command)
    case 'RSET':
      return say(withoutTransaction(session), REPLY.ok)
    case 'NOOP':
      return say(session, REPLY.ok)
    case 'VRFY':
      return say(session, REPLY.cannotVerify)
    case 'EXPN':
      return say(session, REPLY.notOffered)
    case 'HELP':
      return say(session, REPLY.help)
    case 'QUIT':
      return { session, effect: { kind: 'close', replies: [REPLY.goodbye] } }
  }
}

function hello({ errors }: Session, given: Hello, { hostname, messageSize }: SessionPolicy): Turn {
  const more = given.extended ? { more: extensionLines(messageSize) } : {}
  return say({ phase: 'ready', hello: given, errors }, { code: 250, text: hostname, ...more })
}

function mail(
  session: Session,
  { reversePath, parameters }: Extract<Command, { readonly verb: 'MAIL' }>,
  policy: SessionPolicy,
): Turn {
  if (session.phase !== 'ready') return say(session, REPLY.helloFirst)
  const { size, ...traits } = parameters
  if (size !== undefined && size > policy.messageSize) return say(session, REPLY.tooLarge)
  const announced = size === undefined ? {} : { announcedSize: size }
  const envelope: Envelope = { reversePath, traits, ...announced, recipients: [] }
  return say({ ...session, phase: 'addressed', envelope }, REPLY.senderOk)
}

function rcpt(
  session: Session,
  { forwardPath, parameters }: Extract<Command, { readonly verb: 'RCPT' }>,
  policy: SessionPolicy,
): Turn {
  if (session.phase !== 'addressed') return say(session, REPLY.mailFirst)
  const { traits, recipients } = session.envelope
  const address = formatMailbox(forwardPath)
  if (!traits.smtputf8 && !isAscii(address)) return say(session, REPLY.needsSmtputf8)
  const recipient: NewRecipient = { address, ...parameters }
  if (recipients.length >= policy.recipientsPerMessage) {
    return refuse(session, recipient, REPLY.tooManyRecipients, 'limits.recipientsPerMessage')
  }
  const decision = policy.relaying(forwardPath)
  switch (decision.kind) {
    case 'ours':
      return { session, effect: { kind: 'check', recipient } }
    case 'accepted':
      return addRecipient(session, recipient)
    case 'denied':
      return refuse(session, recipient, REPLY.relayingDenied, decision.because)
  }
}

function addRecipient(session: Session, recipient: NewRecipient): Turn {
  if (session.phase !== 'addressed') return say(session, REPLY.mailFirst)
  const recipients = [...session.envelope.recipients, recipient]
  return say({ ...session, envelope: { ...session.envelope, recipients } }, REPLY.recipientOk)
}

function data(session: Session): Turn {
  if (session.phase !== 'addressed' || session.envelope.recipients.length === 0) {
    return say(session, REPLY.recipientFirst)
  }
  return { session, effect: { kind: 'data', reply: REPLY.sendContent } }
}

function bdat(session: Session, { size, last }: { readonly size: number; readonly last: boolean }) {
  if (isBetweenTransactions(session) || session.envelope.recipients.length === 0) {
    return { session, effect: { kind: 'drop', size, reply: REPLY.recipientFirst } } as const
  }
  const chunked: Session = { ...session, phase: 'chunked' }
  return { session: chunked, effect: { kind: 'chunk', size, last } } as const
}

function withoutTransaction(session: Session): Session {
  if (session.phase === 'fresh') return session
  return { phase: 'ready', hello: session.hello, errors: session.errors }
}

function say(session: Session, reply: Reply): Turn {
  return { session, effect: { kind: 'reply', reply } }
}

function refuse(session: Session, recipient: NewRecipient, reply: Refusal, because: string): Turn {
  return { ...say(session, reply), refused: { recipient: recipient.address, because } }
}

/** Only what is wrong for good counts: a client must not pay for our troubles or its many recipients. */
function countErrors(turn: Turn, policy: SessionPolicy): Turn {
  const { effect } = turn
  const reply = effect.kind === 'reply' || effect.kind === 'drop' ? effect.reply : undefined
  if (reply === undefined || reply.code < 500) return turn
  const errors = turn.session.errors + 1
  const session = { ...turn.session, errors }
  if (errors < policy.sessionErrors) return { ...turn, session }
  const refused = turn.refused ?? { because: 'limits.sessionErrors' }
  return { session, effect: { kind: 'close', replies: [reply, REPLY.tooManyErrors] }, refused }
}
