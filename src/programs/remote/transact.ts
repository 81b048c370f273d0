/**
 * Carries a dialogue out on a connection: says what it says, sends the content, hears the replies.
 *
 * RFC 5321 section 4.1.1.4 (the content), section 4.5.2 (transparency).
 */

import type { RemoteDelivery, RemoteRecipient } from '../../contracts/delivery.ts'
import type { RecipientOutcome } from '../../contracts/outcome.ts'
import type { Heard, SmtpSocket } from '../../io/smtp-socket.ts'
import type { LinePosition } from '../../protocol/smtp/dot-stuffing.ts'
import { endOfData, stuffDots } from '../../protocol/smtp/dot-stuffing.ts'
import type { ServerReply } from '../../protocol/smtp/server-reply.ts'
import { quoteReply } from '../../protocol/smtp/server-reply.ts'
import { labelOf } from './attempt.ts'
import type { Content } from './content.ts'
import type { Dialogue, Turn } from './dialogue.ts'
import { contentRefused, hearReply, lostAtTheEnd, startDialogue, timeoutOf } from './dialogue.ts'
import type { Session } from './pool.ts'
import type { Timeouts } from './timeouts.ts'
import { LONGEST_QUOTE } from './verdict.ts'

export interface Job {
  readonly delivery: RemoteDelivery
  readonly content: Content
  /** Tells the queue; each recipient once. */
  readonly tell: (verdict: RecipientOutcome) => void
}

export type TransactionEnd =
  /** Every recipient has its verdict, or the queue wants none any more. */
  | { readonly kind: 'over'; readonly connection: 'keep' | 'close' }
  /** The host has left before the end of data. */
  | { readonly kind: 'left'; readonly why: string; readonly reply?: string }

export async function transact(
  session: Session,
  job: Job,
  recipients: readonly RemoteRecipient[],
  timeouts: Timeouts,
): Promise<TransactionEnd> {
  const { socket, peer, candidate } = session
  job.content.whenGone(() => socket.destroy())
  let step: Step = startDialogue(job.delivery, recipients, { peer, host: labelOf(candidate) })
  while (!('kind' in step)) {
    for (const verdict of step.verdicts) job.tell(verdict)
    step = await act(session, job, step, timeouts)
  }
  return step
}

type Step = Turn | TransactionEnd

async function act(session: Session, job: Job, turn: Turn, timeouts: Timeouts): Promise<Step> {
  const { action, dialogue } = turn
  switch (action.do) {
    case 'end':
      return { kind: 'over', connection: action.connection }
    case 'go elsewhere':
      return leftWith(action.reply)
    case 'say': {
      if (action.lines.length > 0) session.socket.say(action.lines)
      const heard = await session.socket.hear(timeouts[timeoutOf(dialogue)])
      return heard.kind === 'lost'
        ? { kind: 'left', why: heard.why }
        : hearReply(dialogue, heard.reply)
    }
    case 'send content': {
      const sent = await sendContent(session, job, timeouts)
      return afterContent(session.socket, sent, dialogue, timeouts)
    }
  }
}

function leftWith(reply: ServerReply): TransactionEnd {
  const quote = quoteReply(reply, LONGEST_QUOTE)
  return { kind: 'left', why: `it ended the session: ${quote}`, reply: quote }
}

type Sent = 'all' | 'lost' | 'gone' | 'control' | '8bit'

async function sendContent(session: Session, job: Job, timeouts: Timeouts): Promise<Sent> {
  const { socket, peer } = session
  const sevenBit = job.delivery.body === '8bitmime' && !peer.extensions.has('8BITMIME')
  let position: LinePosition = 'start'
  for (;;) {
    const piece = await job.content.next()
    if (piece.kind === 'gone') return 'gone'
    if (piece.kind === 'end') break
    if (sevenBit && piece.bytes.some((byte) => byte > 127)) return '8bit'
    const stuffed = stuffDots(position, piece.bytes)
    if (!stuffed.ok) return 'control'
    position = stuffed.value.position
    if (!(await socket.write(stuffed.value.bytes, timeouts.dataBlock))) return 'lost'
  }
  return (await socket.write(endOfData(position), timeouts.dataBlock)) ? 'all' : 'lost'
}

async function afterContent(
  socket: SmtpSocket,
  sent: Sent,
  dialogue: Dialogue,
  timeouts: Timeouts,
): Promise<Step> {
  switch (sent) {
    case 'all': {
      const heard = await socket.hear(timeouts.dataEnd)
      return heard.kind === 'reply'
        ? hearReply(dialogue, heard.reply)
        : lostAtTheEnd(dialogue, heard.why)
    }
    case 'lost':
      return lastWords(dialogue, await socket.hear(timeouts.dataEnd))
    case 'gone':
      socket.destroy()
      return { kind: 'over', connection: 'close' }
    case 'control':
    case '8bit':
      // Without the final dot the host throws away what it has been sent.
      socket.destroy()
      return contentRefused(dialogue, sent)
  }
}

/** A host that has had enough in the middle of the content may have said why before it left. */
function lastWords(dialogue: Dialogue, heard: Heard): Step {
  if (heard.kind === 'lost') return { kind: 'left', why: heard.why }
  if (heard.reply.code === 421 || heard.reply.code < 400) return leftWith(heard.reply)
  return { ...hearReply(dialogue, heard.reply), action: { do: 'end', connection: 'close' } }
}
