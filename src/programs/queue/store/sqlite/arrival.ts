/**
 * One message on its way in. Small content and few recipients stay in memory until the commit;
 * more goes to a file and to staged rows, as it comes.
 *
 *     in memory ──over SMALL bytes──▶ row "arriving" committed ──▶ file, synced at commit
 */

import type { ContentWriter } from '../content.ts'
import { formatQueueId } from '../queue-id.ts'
import type { Arrival, CommitRequest, QueueId, RoutedRecipient } from '../store.ts'
import { StoreFull } from '../store.ts'
import type { Acceptance, Accepting, Staged } from './accept.ts'
import { LARGE_SPAN, STEP } from './accept.ts'
import type { Engine } from './engine.ts'
import type { Content } from './messages.ts'
import type { Removing } from './removing.ts'

/** The largest content that is kept in the database. */
export const SMALL = 65_536

export interface ArrivalParts {
  readonly engine: Engine
  readonly accepting: Accepting
  readonly removing: Removing
}

const NOTHING = Buffer.alloc(0)

export class SqliteArrival implements Arrival {
  readonly queueId: QueueId
  #id: number
  #parts: ArrivalParts
  #chunks: Uint8Array[] = []
  #size = 0
  #writer: ContentWriter | undefined
  #hasFileRow = false
  #recipients: RoutedRecipient[] = []
  #staged: { readonly first: number; count: number } | undefined
  /** The call that is under way: an abort may come meanwhile, and waits for it. */
  #running: Promise<unknown> | undefined
  /** Why nothing more can be done with it. */
  #over: Error | undefined

  constructor(id: number, parts: ArrivalParts) {
    this.#id = id
    this.queueId = formatQueueId(id)
    this.#parts = parts
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#unlessOver(async () => {
      this.#size += bytes.length
      if (this.#writer !== undefined) return this.#writer.write(bytes)
      this.#chunks.push(bytes)
      if (this.#size > SMALL) await this.#moveToFile()
    })
  }

  addRecipients(recipients: readonly RoutedRecipient[]): Promise<void> {
    return this.#unlessOver(async () => {
      for (const recipient of recipients) this.#recipients.push(recipient)
      while (this.#recipients.length > STEP) await this.#stageSome()
    })
  }

  commit(request: CommitRequest): Promise<QueueId> {
    return this.#unlessOver(async () => {
      this.#parts.engine.assertRoom()
      await this.#writer?.finish()
      while (this.#staged !== undefined && this.#recipients.length > 0) await this.#stageSome()
      const earlier = await this.#commitRows(request)
      this.#over = new Error('the message has been queued')
      if (earlier !== undefined) await this.#leaveNothing()
      else if (this.#staged !== undefined) await this.#spread()
      return earlier === undefined ? this.queueId : formatQueueId(earlier)
    })
  }

  async abort(): Promise<void> {
    if (this.#over !== undefined) return
    this.#over = new Error('the message has been abandoned')
    await this.#running?.catch(() => {})
    await this.#leaveNothing()
  }

  /** A failure leaves the arrival in an unknown state, so it is also its end. */
  async #unlessOver<Value>(act: () => Promise<Value>): Promise<Value> {
    if (this.#over !== undefined) throw this.#over
    const running = act()
    this.#running = running
    try {
      return await running
    } catch (error) {
      this.#over ??= error instanceof Error ? error : new Error('failed', { cause: error })
      await this.#leaveNothing().catch(() => {})
      throw error
    }
  }

  async #moveToFile(): Promise<void> {
    const { engine } = this.#parts
    engine.assertRoom()
    await engine.group.writeMail(() => engine.messages.addFile(this.#id))
    this.#hasFileRow = true
    this.#writer = await engine.files.create(this.#id)
    const held = Buffer.concat(this.#chunks)
    this.#chunks = []
    await this.#writer.write(held)
  }

  async #stageSome(): Promise<void> {
    const { engine, accepting } = this.#parts
    const some = this.#recipients.splice(0, STEP)
    const first = this.#staged?.first ?? (await this.#beginStaging())
    const count = this.#staged?.count ?? 0
    if (count + some.length > LARGE_SPAN) throw new Error('too many recipients for one message')
    await engine.group.writeMail(() => accepting.stage(this.#id, first + count, some))
    this.#staged = { first, count: count + some.length }
  }

  async #beginStaging(): Promise<number> {
    const { engine, accepting } = this.#parts
    engine.assertRoom()
    const first = await engine.group.writeMail(() => accepting.beginStaging(this.#id))
    this.#staged = { first, count: 0 }
    return first
  }

  /** Answers the number of the earlier message, if the key is known. */
  #commitRows(request: CommitRequest): Promise<number | undefined> {
    const { engine } = this.#parts
    const { idempotencyKey } = request
    const acceptance = this.#acceptance(request)
    const recipients = this.#recipients
    const staged = this.#staged
    return engine.group.writeMail(() => {
      if (idempotencyKey !== undefined) {
        const earlier = engine.events.messageOfKey(idempotencyKey)
        if (earlier !== undefined) return earlier
        engine.events.addKey(idempotencyKey, this.#id)
      }
      this.#acceptRows(acceptance, recipients, staged)
      return undefined
    })
  }

  #acceptRows(
    acceptance: Acceptance,
    recipients: readonly RoutedRecipient[],
    staged: Staged | undefined,
  ): void {
    const { engine, accepting } = this.#parts
    const { content } = acceptance
    if (content.kind === 'filed') engine.messages.useFile(content.id, acceptance.contentSize)
    if (content.kind === 'inline') engine.messages.addContent(content.id, content.bytes)
    if (staged === undefined) accepting.accept(acceptance, recipients)
    else accepting.acceptStaged(acceptance, staged)
  }

  #acceptance(request: CommitRequest): Acceptance {
    const { reversePath, origin, now } = request
    return {
      id: this.#id,
      reversePath,
      traits: request,
      origin,
      now,
      prepend: Buffer.from(request.prepend),
      content: this.#content(),
      contentSize: this.#size,
      append: NOTHING,
    }
  }

  #content(): Content {
    if (this.#writer !== undefined) return { kind: 'filed', id: this.#id }
    if (this.#size === 0) return { kind: 'none' }
    return { kind: 'inline', id: this.#id, bytes: Buffer.concat(this.#chunks) }
  }

  /** The message is queued already: should this fail, recovery goes on with it. */
  async #spread(): Promise<void> {
    const { engine, accepting, removing } = this.#parts
    try {
      while (await engine.group.write(() => accepting.spread(this.#id)));
    } catch (error) {
      if (error instanceof StoreFull) return removing.spreadLater(this.#id)
      throw engine.group.stop('a large message could not be let go', error)
    }
  }

  async #leaveNothing(): Promise<void> {
    this.#chunks = []
    this.#recipients = []
    await this.#writer?.discard()
    const { removing, engine } = this.#parts
    // Whether a commit that failed has reached the disk is for recovery to find out.
    if (engine.group.failure !== undefined) return
    if (this.#hasFileRow) await removing.removeFiles([this.#id])
    if (this.#staged === undefined) return
    while ((await removing.removeStaged(this.#id, STEP)) > 0);
  }
}
