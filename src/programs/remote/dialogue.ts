/**
 * One transaction with a mail host: a value stepped by the host's replies.
 *
 *     MAIL ──▶ RCPT … RCPT ──▶ DATA ──354──▶ content ──▶ final reply
 *                                │ no recipient taken
 *                                └──▶ RSET (or a lone dot, if the host says 354 all the same)
 *
 * With PIPELINING the whole envelope and DATA leave together and the replies are matched in order;
 * without it each command waits for its reply. The heart is the same: a list of what is awaited. Each
 * recipient gets one verdict, as soon as it is known; for those that have none when the host leaves
 * (421, or the connection is lost) before the end of data, another host may be tried.
 *
 * RFC 5321 section 3.3, section 4.2, section 3.8 (421 at any time), RFC 2920 section 3.1 (pipelining;
 * a lone dot when no recipient was taken).
 */

import type { RemoteDelivery, RemoteRecipient } from '../../contracts/delivery.ts'
import type { Outcome, RecipientOutcome } from '../../contracts/outcome.ts'
import type { ServerReply } from '../../protocol/smtp/server-reply.ts'
import { mailCommand, rcptCommand, refusalInAdvance } from './commands.ts'
import type { Peer } from './opening.ts'
import type { TimeoutName } from './timeouts.ts'
import { deferred, failed, kindOf, outcomeOfReply } from './verdict.ts'

type Step =
  | { readonly step: 'mail'; readonly line: string }
  | { readonly step: 'rcpt'; readonly line: string; readonly recipient: number }
  | { readonly step: 'data'; readonly line: string }
  /** The answer to the content, or to a lone dot in its place. */
  | { readonly step: 'final' | 'lone dot' | 'reset' }

export interface Dialogue {
  /** The host as people are told of it: `mx.example.org [192.0.2.1]:25`. */
  readonly host: string
  readonly pipelining: boolean
  readonly unsent: readonly Extract<Step, { readonly line: string }>[]
  readonly awaited: readonly Step[]
  /** Recipients without a verdict, and those of them that the host has taken. */
  readonly undecided: readonly number[]
  readonly taken: readonly number[]
  readonly mailRefused: boolean
}

export type Action =
  /** Send these lines and hear the next reply; there may be none to send. */
  | { readonly do: 'say'; readonly lines: readonly string[] }
  /** Send the content and hear the next reply. */
  | { readonly do: 'send content' }
  /** The transaction is over; the connection is fit for another, or is not. */
  | { readonly do: 'end'; readonly connection: 'keep' | 'close' }
  /** This host has left before the end of data. */
  | { readonly do: 'go elsewhere'; readonly reply: ServerReply }

export interface Turn {
  readonly dialogue: Dialogue
  readonly verdicts: readonly RecipientOutcome[]
  readonly action: Action
}

const KEEP: Action = { do: 'end', connection: 'keep' }
const CLOSE: Action = { do: 'end', connection: 'close' }

export function startDialogue(
  delivery: RemoteDelivery,
  recipients: readonly RemoteRecipient[],
  at: { readonly peer: Peer; readonly host: string },
): Turn {
  const { peer, host } = at
  const commands = recipients.map((recipient) => ({
    recipient: recipient.recipient,
    line: rcptCommand(recipient, peer),
  }))
  const rcpts = commands.flatMap(({ recipient, line }) =>
    line === undefined ? [] : [{ step: 'rcpt' as const, recipient, line }],
  )
  const dialogue: Dialogue = {
    host,
    pipelining: peer.extensions.has('PIPELINING'),
    unsent: [
      { step: 'mail', line: mailCommand(delivery, peer) },
      ...rcpts,
      { step: 'data', line: 'DATA' },
    ],
    awaited: [],
    undecided: recipients.map(({ recipient }) => recipient),
    taken: [],
    mailRefused: false,
  }
  const refusal = refusalInAdvance(delivery, peer, host)
  if (refusal !== undefined) return decideAll(dialogue, refusal, KEEP)
  const unwritable = commands.filter(({ line }) => line === undefined)
  const numbers = unwritable.map(({ recipient }) => recipient)
  const outcome = failed('5.1.3', 'the recipient address cannot be written in SMTP', { host })
  const decided = decide(dialogue, numbers, outcome)
  if (rcpts.length === 0) return { ...decided, action: KEEP }
  return { ...sayNext(decided.dialogue), verdicts: decided.verdicts }
}

/** Which of the time limits holds for the reply that is awaited. */
export function timeoutOf(dialogue: Dialogue): TimeoutName {
  const step = dialogue.awaited[0]?.step ?? 'reset'
  return step === 'final' || step === 'lone dot' ? 'dataEnd' : step
}

export function hearReply(before: Dialogue, reply: ServerReply): Turn {
  const [step, ...awaited] = before.awaited
  const dialogue = { ...before, awaited }
  if (step === undefined) return stay(dialogue, CLOSE)
  if (reply.code === 421 && step.step !== 'final') return leave(dialogue, reply)
  switch (step.step) {
    case 'mail':
      return hearMail(dialogue, reply)
    case 'rcpt':
      return hearRcpt(dialogue, reply, step.recipient)
    case 'data':
      return hearData(dialogue, reply)
    case 'final':
      return hearFinal(dialogue, reply)
    case 'lone dot':
      return stay(dialogue, KEEP)
    case 'reset':
      return stay(dialogue, isPositive(reply) ? KEEP : CLOSE)
  }
}

/** RFC 5321 section 3.8: the host shuts down. Those it has not spoken about may be taken elsewhere. */
function leave(dialogue: Dialogue, reply: ServerReply): Turn {
  if (dialogue.undecided.length === 0) return stay(dialogue, CLOSE)
  return stay(dialogue, { do: 'go elsewhere', reply })
}

function hearFinal(dialogue: Dialogue, reply: ServerReply): Turn {
  const outOfStep = reply.code === 421 || kindOf(reply, 'message') === 'unexpected'
  const outcome = outcomeOfReply(reply, 'message', dialogue.host)
  return decideAll(dialogue, outcome, outOfStep ? CLOSE : KEEP)
}

function hearMail(dialogue: Dialogue, reply: ServerReply): Turn {
  const kind = kindOf(reply, 'sender')
  if (kind === 'accepted') return sayNext(dialogue)
  const outcome = outcomeOfReply(reply, 'sender', dialogue.host)
  if (kind === 'unexpected') return decideAll(dialogue, outcome, CLOSE)
  const { dialogue: next, verdicts } = decideAll(dialogue, outcome, KEEP)
  return { ...sayNext({ ...next, mailRefused: true }), verdicts }
}

function hearRcpt(dialogue: Dialogue, reply: ServerReply, recipient: number): Turn {
  // Where MAIL was refused, what is said of recipients tells nothing about them.
  if (dialogue.mailRefused) return sayNext(dialogue)
  const kind = kindOf(reply, 'recipient')
  if (kind === 'accepted') return sayNext({ ...dialogue, taken: [...dialogue.taken, recipient] })
  const outcome = outcomeOfReply(reply, 'recipient', dialogue.host)
  if (kind === 'unexpected') return decideAll(dialogue, outcome, CLOSE)
  const { dialogue: next, verdicts } = decide(dialogue, [recipient], outcome)
  return { ...sayNext(next), verdicts }
}

function hearData(dialogue: Dialogue, reply: ServerReply): Turn {
  const kind = kindOf(reply, 'data')
  if (kind === 'accepted') return goAhead(dialogue)
  if (kind === 'unexpected') {
    return decideAll(dialogue, outcomeOfReply(reply, 'data', dialogue.host), CLOSE)
  }
  const outcome = outcomeOfReply(reply, 'data', dialogue.host)
  const { dialogue: next, verdicts } = decideAll(dialogue, outcome, KEEP)
  return { ...reset(next), verdicts }
}

function goAhead(dialogue: Dialogue): Turn {
  if (dialogue.taken.length > 0) {
    return stay({ ...dialogue, awaited: [{ step: 'final' }] }, { do: 'send content' })
  }
  return stay({ ...dialogue, awaited: [{ step: 'lone dot' }] }, { do: 'say', lines: ['.'] })
}

/** Ends a transaction that the host has begun and that nobody wants any more. */
function reset(dialogue: Dialogue): Turn {
  if (dialogue.mailRefused) return stay(dialogue, KEEP)
  return stay({ ...dialogue, awaited: [{ step: 'reset' }] }, { do: 'say', lines: ['RSET'] })
}

/** What is to be said before the next reply is heard. */
function sayNext(dialogue: Dialogue): Turn {
  const [first, ...later] = dialogue.unsent
  if (dialogue.awaited.length > 0 || first === undefined) {
    return stay(dialogue, { do: 'say', lines: [] })
  }
  const pointless = first.step === 'data' && dialogue.taken.length === 0
  if (dialogue.mailRefused || pointless) return reset({ ...dialogue, unsent: [] })
  const now = dialogue.pipelining ? dialogue.unsent : [first]
  const unsent = dialogue.pipelining ? [] : later
  const lines = now.map(({ line }) => line)
  return stay({ ...dialogue, unsent, awaited: now }, { do: 'say', lines })
}

function stay(dialogue: Dialogue, action: Action): Turn {
  return { dialogue, verdicts: [], action }
}

function decide(
  dialogue: Dialogue,
  recipients: readonly number[],
  outcome: Outcome,
): Pick<Turn, 'dialogue' | 'verdicts'> {
  const undecided = dialogue.undecided.filter((recipient) => !recipients.includes(recipient))
  const verdicts = recipients.map((recipient) => ({ recipient, outcome }))
  return { dialogue: { ...dialogue, undecided }, verdicts }
}

function decideAll(dialogue: Dialogue, outcome: Outcome, action: Action): Turn {
  return { ...decide(dialogue, dialogue.undecided, outcome), action }
}

function isPositive(reply: ServerReply): boolean {
  return Math.floor(reply.code / 100) === 2
}

/** The connection was lost after the content had been sent: nobody knows whether it was taken. */
export function lostAtTheEnd(dialogue: Dialogue, why: string): Turn {
  const text =
    `${dialogue.host}: ${why} after the whole message had been sent. ` +
    'It may have been taken all the same; the next attempt can make a duplicate'
  return decideAll(dialogue, deferred('4.4.2', text, { host: dialogue.host }), CLOSE)
}

/** The content cannot be sent to this host; the connection has to be cut in the middle of it. */
export function contentRefused(dialogue: Dialogue, why: 'control' | '8bit'): Turn {
  const { host } = dialogue
  const outcome =
    why === 'control'
      ? failed('5.6.0', 'the message holds a CR or NUL, which cannot be sent by SMTP', { host })
      : failed('5.6.3', `the message has 8-bit content, which ${host} does not take`, { host })
  return decideAll(dialogue, outcome, CLOSE)
}
