/**
 * Operators' requests, as the console hands them on: what is in the queue, and acts upon it.
 *
 * Whoever is no operator is told counts and nothing else. Acts on many recipients run in slices,
 * with everything else in between; a listing is a page.
 */

import type {
  ConsoleRequest,
  ControlEnd,
  ControlItem,
  ControlRequest,
  ListedMessage,
  Selection,
} from '../../contracts/control.ts'
import type { Stream } from '../../io/connection.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'

type RequestOf<Type extends ControlRequest['type']> = Extract<ControlRequest, { type: Type }>

const SLICE = 200
/** Bytes of a record; every character of a content piece may need six of them in JSON. */
const MOST_RECORD = 60_000
const CONTENT_PIECE = 8_000
/** Content beyond this is not shown; the operator is told how long the message is. */
const MOST_CONTENT = 1_048_576
const RECIPIENTS_IN_RECORD = 8
const MOST_EVENTS = 500

export interface ControlListener {
  /** Recipients have been made due. */
  readonly onDue: () => void
  /** Recipients have been removed; of the others of their messages a report may now be due. */
  readonly onRemoved: () => void
}

export class Controller {
  readonly #surroundings: Surroundings
  readonly #listener: ControlListener

  constructor(surroundings: Surroundings, listener: ControlListener) {
    this.#surroundings = surroundings
    this.#listener = listener
  }

  async answer(stream: Stream, { operator, request }: ConsoleRequest): Promise<void> {
    const allowed = operator || request.type === 'status'
    stream.end(allowed ? await this.#obey(stream, request).catch(refusalIfFull) : FORBIDDEN)
  }

  async #obey(stream: Stream, request: ControlRequest): Promise<ControlEnd> {
    switch (request.type) {
      case 'status':
        return this.#status(stream)
      case 'list':
        return this.#list(stream, request)
      case 'show':
        return this.#show(stream, request)
      case 'retry':
        return this.#retry(stream, request)
      case 'remove':
        return this.#remove(stream, request)
    }
  }

  async #status(stream: Stream): Promise<ControlEnd> {
    const { store, clock } = this.#surroundings
    send(stream, { item: 'counts', counts: await store.counts(clock.now()) })
    return done(0)
  }

  async #list(stream: Stream, { selection, after, limit }: RequestOf<'list'>): Promise<ControlEnd> {
    const from = after === undefined ? {} : { after }
    const page = await this.#surroundings.store.list({ selection, limit, ...from })
    for (const message of page.messages) {
      send(stream, {
        item: 'message',
        message: { ...message, recipients: message.recipients.slice(0, 10) },
      })
    }
    return done(page.messages.length, page.next)
  }

  async #show(stream: Stream, { queueId, content }: RequestOf<'show'>): Promise<ControlEnd> {
    const { store } = this.#surroundings
    const message = await store.show(queueId)
    const events = await store.events(queueId, MOST_EVENTS)
    if (message === undefined && events.length === 0) {
      return { end: 'refused', why: `There is no message ${queueId} in the queue.` }
    }
    if (message !== undefined)
      for (const part of partsOf(message)) send(stream, { item: 'message', message: part })
    for (const event of events) send(stream, { item: 'event', event })
    if (message !== undefined && content) await this.#sendContent(stream, queueId)
    return done(0)
  }

  async #sendContent(stream: Stream, queueId: string): Promise<void> {
    let sent = 0
    for await (const piece of this.#surroundings.store.readContent(queueId)) {
      for (let from = 0; from < piece.length && sent < MOST_CONTENT; from += CONTENT_PIECE) {
        const bytes = Buffer.from(piece.subarray(from, from + CONTENT_PIECE)).toString('latin1')
        send(stream, { item: 'content', bytes })
        sent += bytes.length
      }
      if (sent >= MOST_CONTENT || stream.over) return
      await breath()
    }
  }

  async #retry(stream: Stream, { selection }: RequestOf<'retry'>): Promise<ControlEnd> {
    const { store, clock, log } = this.#surroundings
    const now = clock.now()
    // What fails again at once is not made due a second time, or this would never end.
    const retry = () => store.retry(selection, now, SLICE)
    const affected = await inSlices(stream, retry, SLICE)
    log.write({ event: 'operator-retry', fields: { ...fieldsOf(selection), affected } })
    this.#listener.onDue()
    return done(affected)
  }

  async #remove(stream: Stream, { selection }: RequestOf<'remove'>): Promise<ControlEnd> {
    if (Object.keys(selection).length === 0) return NO_SELECTION
    const { store, clock, log } = this.#surroundings
    const now = clock.now()
    const affected = await inSlices(stream, () => store.remove(selection, now, SLICE))
    log.write({ event: 'operator-remove', fields: { ...fieldsOf(selection), affected } })
    if (affected > 0) this.#listener.onRemoved()
    return done(affected)
  }
}

const FORBIDDEN: ControlEnd = {
  end: 'refused',
  why: 'Only operators may do this; everyone may ask for the status.',
}
const DISK_FULL: ControlEnd = {
  end: 'refused',
  why: 'The disk is full, so the queue could not write this down; part of it may have been done.',
}
const NO_SELECTION: ControlEnd = {
  end: 'refused',
  why: 'Say what to remove: a queue id, a sender, a recipient or a domain.',
}

function refusalIfFull(error: unknown): ControlEnd {
  if (error instanceof StoreFull) return DISK_FULL
  throw error
}

/** Until a slice has affected fewer than `least`. */
async function inSlices(stream: Stream, act: () => Promise<number>, least = 1): Promise<number> {
  let affected = 0
  for (let count = await act(); count > 0; count = await act()) {
    affected += count
    if (count < least || stream.over) break
    await breath()
  }
  return affected
}

/** Lets everything else that waits go first. */
function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A message with many recipients is told in several items. */
function partsOf(message: ListedMessage): readonly ListedMessage[] {
  const parts: ListedMessage[] = []
  for (let from = 0; from < message.recipients.length; from += RECIPIENTS_IN_RECORD) {
    const recipients = message.recipients.slice(from, from + RECIPIENTS_IN_RECORD)
    parts.push({ ...message, recipients })
  }
  return parts.length > 0 ? parts : [message]
}

function send(stream: Stream, item: ControlItem): void {
  // Whatever a stranger has put into an address, a record stays within its frame.
  if (Buffer.byteLength(JSON.stringify(item)) <= MOST_RECORD) stream.record(item)
}

function done(affected: number, next?: string): ControlEnd {
  return { end: 'done', affected, ...(next === undefined ? {} : { next }) }
}

function fieldsOf(selection: Selection): Readonly<Record<string, string>> {
  return { ...selection }
}
