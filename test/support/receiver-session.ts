/**
 * One session of the real receiver in memory, with a queue that only remembers.
 *
 * Local parts decide what the queue says: `nobody…` is unknown, `unsure…` cannot be told now. Content
 * with a field `X-Queue: deferred|failed|silent` gets that answer.
 */

import type { Duplex } from 'node:stream'
import { duplexPair } from 'node:stream'
import type { Limits, ReceiverSettings } from '../../src/contracts/settings.ts'
import type {
  RecipientAnswer,
  SubmissionAnswer,
  SubmissionCommit,
} from '../../src/contracts/submission.ts'
import type { LogEvent } from '../../src/io/log.ts'
import { decideRelaying, relayRightOf } from '../../src/policy/relaying.ts'
import { Conversation } from '../../src/programs/receiver/conversation.ts'
import type { QueueDoor, Submission } from '../../src/programs/receiver/enqueue.ts'

export const LIMITS_FOR_TESTS: Limits = {
  messageSize: 1_000_000,
  recipientsPerMessage: 100,
  sessions: 50,
  sessionsPerClient: 20,
  sessionIdle: 300,
  sessionErrors: 10,
  hops: 100,
  receivers: 1,
  remotes: 1,
  localDeliveries: 1,
  deliveriesPerSite: 1,
  deliveries: 1,
  agents: 1,
  agentIdle: 1,
  diskFree: 0,
  finishWithin: 1,
  dropFilesPerUser: 1,
}

export function receiverSettings(limits: Partial<Limits> = {}): ReceiverSettings {
  return {
    hostname: 'mail.postern.test',
    domains: { 'postern.test': { kind: 'accounts' } },
    routes: [],
    local: { deliver: 'Maildir/', postmaster: 'root', systemAccounts: [] },
    relay: { from: [{ address: '10.0.0.0', family: 4, prefix: 8 }] },
    limits: { ...LIMITS_FOR_TESTS, ...limits },
    log: { to: { kind: 'stderr' }, format: 'text', keepEvents: 1 },
  }
}

export interface QueuedMessage {
  readonly from: string
  readonly to: readonly string[]
  readonly content: string
  readonly commit: SubmissionCommit
}

export class FakeQueue implements QueueDoor {
  readonly queued: QueuedMessage[] = []
  opened = 0
  cancelled = 0
  readonly asked: string[] = []
  /** Takes content and never asks for more. */
  stalled = false

  recipient(address: string): Promise<RecipientAnswer> {
    this.asked.push(address)
    return new Promise((resolve) => setImmediate(() => resolve(answerAbout(address))))
  }

  submit(head: Parameters<QueueDoor['submit']>[0]): Submission {
    this.opened += 1
    const to = head.recipients.map(({ address }) => address)
    const pieces: Buffer[] = []
    let over = false
    return {
      write: async (bytes) => {
        pieces.push(Buffer.from(bytes))
        await (this.stalled ? new Promise(() => undefined) : Promise.resolve())
        return true
      },
      commit: async (words) => {
        await Promise.resolve()
        over = true
        const content = Buffer.concat(pieces).toString('latin1')
        const answer = answerTo(content, `ID${this.queued.length + 1}`)
        if (answer.kind === 'accepted') {
          const commit = words(answer.queueId)
          this.queued.push({ from: commit.reversePath, to, content, commit })
        }
        return answer
      },
      cancel: () => {
        if (!over) this.cancelled += 1
        over = true
      },
    }
  }
}

function answerAbout(address: string): RecipientAnswer {
  const because = 'a test'
  if (address.startsWith('nobody')) return { kind: 'unknown', because }
  return { kind: address.startsWith('unsure') ? 'unsure' : 'known', because }
}

function answerTo(content: string, queueId: string): SubmissionAnswer {
  const [, wish] = /^X-Queue: (\w+)$/m.exec(content) ?? []
  if (wish === 'deferred') return { kind: 'deferred', status: '4.3.1', text: 'disk full' }
  if (wish === 'failed') return { kind: 'failed', status: '5.7.0', text: 'not wanted' }
  return { kind: 'accepted', queueId }
}

export interface MemoryOptions {
  readonly client?: string
  readonly limits?: Partial<Limits>
  /** The client never reads. */
  readonly deaf?: boolean
}

export class MemorySession {
  readonly queue = new FakeQueue()
  readonly log: LogEvent[] = []
  readonly conversation: Conversation
  readonly #wire: Duplex
  readonly #server: Duplex
  #heard = ''
  #ended = false
  #wake: () => void = () => undefined

  constructor(options: MemoryOptions = {}) {
    const [ours, theirs] = duplexPair()
    this.#wire = ours
    this.#server = theirs
    const client = options.client ?? '192.0.2.1'
    const settings = receiverSettings(options.limits)
    const right = relayRightOf(client, settings.relay.from)
    const { messageSize, recipientsPerMessage, sessionErrors, hops } = settings.limits
    this.conversation = new Conversation(theirs, client, {
      policy: {
        hostname: settings.hostname,
        messageSize,
        recipientsPerMessage,
        sessionErrors,
        relaying: (mailbox) => decideRelaying(mailbox, right, settings),
      },
      hops,
      queue: this.queue,
      log: { write: (event) => this.log.push(event) },
      now: () => new Date('2026-11-22T18:30:00Z'),
    })
    if (options.deaf === true) return
    ours.on('data', (bytes: Buffer) => {
      this.#heard += bytes.toString('latin1')
      this.#wake()
    })
    ours.on('end', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** Bytes the server keeps for a client that does not read. */
  get unread(): number {
    return this.#server.writableLength
  }

  /** Bytes of the client that the server has not taken. */
  get untaken(): number {
    return this.#wire.writableLength + this.#server.readableLength
  }

  send(bytes: string | Buffer): void {
    this.#wire.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** The next line the server says, without CRLF; undefined once it has closed. */
  async line(): Promise<string | undefined> {
    while (!this.#heard.includes('\n')) {
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const end = this.#heard.indexOf('\n')
    const line = this.#heard.slice(0, end).replace(/\r$/, '')
    this.#heard = this.#heard.slice(end + 1)
    return line
  }

  /** The last line of the next reply. */
  async reply(): Promise<string> {
    const line = await this.line()
    if (line === undefined) return '(closed)'
    return line[3] === '-' ? this.reply() : line
  }

  /** All replies up to the end of the session, their last lines only. */
  async rest(): Promise<readonly string[]> {
    const replies: string[] = []
    for (let reply = await this.reply(); reply !== '(closed)'; reply = await this.reply()) {
      replies.push(reply)
    }
    return replies
  }

  /** No more will be sent; what is on its way still arrives. */
  hangUp(): void {
    this.#wire.end()
  }

  /** The connection breaks. */
  break(): void {
    this.#wire.destroy()
  }
}
