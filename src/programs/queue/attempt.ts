/**
 * One attempt: one message, some of its recipients, one stream to an agent.
 *
 * Keeps the agent to what it was given: it may speak of its recipients only, of each once. Whatever
 * else it says is noted, has no effect and buys it no time. Sends the content against the agent's credit and stops
 * as soon as the agent has ended. Never rejects; what happened is the answer.
 */

import type { LocalDelivery, RemoteDelivery } from '../../contracts/delivery.ts'
import { INITIAL_CREDIT } from '../../contracts/frame.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import { recipientOutcome } from '../../contracts/outcome.ts'
import type { Clock } from '../../io/clock.ts'
import type { Connection, Stream } from '../../io/connection.ts'

/**
 * complete    the agent has said its last word
 * cancelled   the agent has given this attempt up
 * lost        the agent is gone
 * too slow    nothing moved for too long, or all of it took too long
 * unreadable  the content could not be read here
 */
export type AttemptEnd = 'complete' | 'cancelled' | 'lost' | 'too slow' | 'unreadable'

export interface AttemptRequest {
  readonly connection: Connection
  readonly head: LocalDelivery | RemoteDelivery
  readonly content: AsyncIterable<Uint8Array>
  readonly clock: Clock
  readonly limits: AttemptLimits
  /** Called at most once for each recipient in `head`. */
  readonly onOutcome: (recipient: number, outcome: Outcome) => void
  /** The agent has taken some of the content, or has told an outcome it owed. */
  readonly onProgress: () => void
  /** The agent has said something it may not say. */
  readonly onComplaint: (why: string) => void
}

/** Milliseconds. */
export interface AttemptLimits {
  readonly idle: number
  readonly total: number
}

const MINUTE = 60_000
/** RFC 5321 section 4.5.3.2: a remote session may take long; its agent has limits for each step. */
export const REMOTE_LIMITS: AttemptLimits = { idle: 60 * MINUTE, total: 360 * MINUTE }
export const LOCAL_LIMITS: AttemptLimits = { idle: 10 * MINUTE, total: 60 * MINUTE }

const MOST_COMPLAINTS = 3

export function attempt(request: AttemptRequest): Promise<AttemptEnd> {
  const { promise, resolve } = Promise.withResolvers<AttemptEnd>()
  const watch = watchProgress(request, () => finish('too slow'))
  const progress = () => {
    watch.progress()
    request.onProgress()
  }
  const finish = (end: AttemptEnd) => {
    watch.stop()
    stream.cancel()
    resolve(end)
  }
  const stream: Stream = request.connection.open(request.head, {
    onRecord: listener(request, progress),
    onEnd: () => finish('complete'),
    onCancel: () => finish(request.connection.lost ? 'lost' : 'cancelled'),
  })
  void send(stream, request.content, progress).catch(() => finish('unreadable'))
  return promise
}

/** What fits the first credit is sent whether or not there is anybody to take it. */
async function send(
  stream: Stream,
  content: AsyncIterable<Uint8Array>,
  progress: () => void,
): Promise<void> {
  let size = 0
  for await (const piece of content) {
    if (!(await stream.write(piece))) return
    size += piece.length
    if (size > INITIAL_CREDIT) progress()
  }
  stream.end({})
}

/** Hears the agent's records and passes on those it has a right to. */
function listener(request: AttemptRequest, progress: () => void): (value: unknown) => void {
  const open = new Set(request.head.recipients.map(({ recipient }) => recipient))
  let complaints = 0
  const complain = (why: string) => {
    complaints += 1
    if (complaints <= MOST_COMPLAINTS) request.onComplaint(why)
  }
  return (value) => {
    const decoded = recipientOutcome(value)
    if (!decoded.ok) return complain(`malformed outcome: ${decoded.problem}`)
    const { recipient, outcome } = decoded.value
    if (!open.delete(recipient)) return complain(`no open recipient has number ${recipient}`)
    progress()
    request.onOutcome(recipient, outcome)
  }
}

function watchProgress(
  { clock, limits }: AttemptRequest,
  onTooSlow: () => void,
): { readonly progress: () => void; readonly stop: () => void } {
  const begun = clock.now()
  let movedAt = begun
  const deadline = () => Math.min(movedAt + limits.idle, begun + limits.total)
  const look = () => {
    if (clock.now() >= deadline()) onTooSlow()
    else alarm = clock.after(deadline() - clock.now(), look)
  }
  let alarm = clock.after(limits.idle, look)
  return {
    progress: () => {
      movedAt = clock.now()
    },
    stop: () => alarm.cancel(),
  }
}
