/**
 * The queue in memory, for tests: the same answers as any engine, but late, out of order and with
 * failures if asked to, the same ones for the same seed.
 *
 * A request takes effect in the order of the calls, as the contract says; only its answer is late.
 */

import type { ListedMessage, Selection } from '../../../contracts/control.ts'
import { MemoryArrival } from './memory/arrival.ts'
import { LateAnswers } from './memory/late-answers.ts'
import type { MemoryMessage, MemoryRecipient } from './memory/model.ts'
import { MemoryModel } from './memory/model.ts'
import type { QueueStore } from './store.ts'

export interface MemoryOptions {
  /** Decides what is late and what fails. */
  readonly seed?: number
  /** Answers come up to so many turns of the event loop late, so others overtake them. */
  readonly lateTurns?: number
  /** The share of changes that are refused with StoreFull, from 0 to 1. */
  readonly full?: number
  /** After so many requests everything is answered with StoreFailure; the last had its effect. */
  readonly stopAfter?: number
  /** For queue ids. */
  readonly clock?: () => number
}

export async function openMemoryStore(options: MemoryOptions = {}): Promise<QueueStore> {
  const model = new MemoryModel(options.clock ?? Date.now)
  const answers = new LateAnswers(options)
  const ask = <Value>(act: () => Value): Promise<Value> => answers.answer(act)
  const write = <Value>(act: () => Value): Promise<Value> => answers.answerIfRoom(act)
  return {
    recover: () => ask(() => 0),
    arrive: () => new MemoryArrival(model, write),

    dueLanes: (now, limit) => ask(() => model.dueLanes(now).slice(0, limit)),
    nextDueAfter: (now) => ask(() => model.nextDueAfter(now)),
    claim: (lane, limit, now) => ask(() => model.claim(lane, limit, now)),
    message: (queueId) => ask(() => model.messages.get(queueId)?.stored),
    readContent: (queueId) => readContent(() => ask(() => model.messages.get(queueId))),

    settle: (settlements, now) => write(() => model.settle(settlements, now)),
    reportable: (now, limit) =>
      ask(() =>
        [...model.messages.values()]
          .filter((message) => model.isReadyForReport(message, now))
          .map(({ stored }) => stored.queueId)
          .slice(0, limit),
      ),
    reportableRecipients: (queueId, limit) =>
      ask(() => model.reportableRecipients(queueId).slice(0, limit)),
    report: (request) => write(() => model.report(request)),

    counts: (now) => ask(() => model.counts(now)),
    list: (request) => ask(() => list(model, request)),
    show: (queueId) => ask(() => model.show(queueId)),
    events: (queueId, limit) => ask(() => (model.events.get(queueId) ?? []).slice(-limit)),
    retry: (selection, now, limit) =>
      write(() => {
        const later = model
          .select(selection)
          .filter(({ state, dueAt }) => state === 'waiting' && dueAt > now)
        return forSome(later, limit, (recipient) => {
          recipient.dueAt = now
          const { queueId } = recipient.message.stored
          model.tell(queueId, { at: now, event: 'retry', text: 'made due by an operator' })
        })
      }),
    remove: (selection, now, limit) =>
      write(() => {
        const idle = model
          .select(selection)
          .filter(({ state, id }) => state === 'waiting' && !model.claims.has(id))
        return forSome(idle, limit, (recipient) => model.removeByOperator(recipient, now))
      }),
    purgeEvents: (before, limit) => write(() => model.purgeEvents(before, limit)),

    close: () => answers.close(),
  }
}

function forSome(
  recipients: readonly MemoryRecipient[],
  limit: number,
  act: (recipient: MemoryRecipient) => void,
): number {
  const some = recipients.slice(0, limit)
  for (const recipient of some) act(recipient)
  return some.length
}

function list(
  model: MemoryModel,
  request: { readonly selection: Selection; readonly after?: string; readonly limit: number },
): { readonly messages: readonly ListedMessage[]; readonly next?: string } {
  const { selection, after = '', limit } = request
  const found = [...new Set(model.select(selection).map(({ message }) => message))]
    .filter(({ stored }) => stored.queueId > after)
    .sort((a, b) => (a.stored.queueId < b.stored.queueId ? -1 : 1))
  const messages = found.slice(0, limit).map((message) => model.listed(message, 10))
  const last = messages.at(-1)
  return found.length > limit && last !== undefined
    ? { messages, next: last.queueId }
    : { messages }
}

const PIECE = 65_536

async function* readContent(
  find: () => Promise<MemoryMessage | undefined>,
): AsyncIterable<Uint8Array> {
  const message = await find()
  if (message === undefined) throw new Error('the message has left the queue')
  for (let at = 0; at < message.bytes.length; at += PIECE) {
    yield message.bytes.subarray(at, at + PIECE)
  }
}
