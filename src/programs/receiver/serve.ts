/**
 * All sessions of one receiver: lets clients in, within the limits, and shows them out.
 *
 * A client over a limit is told so and let go at once, before anything is kept for it. The greeting
 * waits for two turns of the event loop, so that whoever sends before being greeted is noticed.
 */

import type { ListenOptions, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { ReceiverSettings } from '../../contracts/settings.ts'
import type { Log } from '../../io/log.ts'
import { LIMITS } from '../../policy/limits.ts'
import { clientGroup, decideRelaying, relayRightOf } from '../../policy/relaying.ts'
import { plainAddress } from '../../protocol/address/ip-address.ts'
import type { Reply } from '../../protocol/smtp/reply.ts'
import { formatReply, REPLY } from '../../protocol/smtp/reply.ts'
import type { Surroundings } from './conversation.ts'
import { Conversation } from './conversation.ts'
import type { QueueDoor } from './enqueue.ts'
import type { SessionPolicy } from './session.ts'

const BACKLOG = 1_024

export interface ReceiverOptions {
  readonly settings: ReceiverSettings
  readonly queue: QueueDoor
  readonly log: Log
  readonly now?: () => Date
}

export class Receiver {
  readonly #options: ReceiverOptions
  readonly #servers: Server[] = []
  readonly #conversations = new Set<Conversation>()
  readonly #ofClient = new Map<string, number>()
  readonly #empty = Promise.withResolvers<void>()
  #finishing = false

  constructor(options: ReceiverOptions) {
    this.#options = options
  }

  /** Rejects if the door cannot be listened at. */
  listen(door: ListenOptions | { readonly fd: number }): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#admit(socket),
    )
    this.#servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(door, BACKLOG, () => {
        server.off('error', reject)
        // Out of descriptors, for example: the client stays in line, and this program lives on.
        server.on('error', (error) => this.#log('cannot-accept', error.message))
        resolve(server)
      })
    })
  }

  /** Lets nobody in any more. Resolves when every session has ended, at the latest after the time given. */
  async finish(withinSeconds: number): Promise<void> {
    this.#closeDoors()
    for (const conversation of this.#conversations) conversation.finish()
    const timer = setTimeout(() => this.#abandonAll(), withinSeconds * 1_000)
    await this.#empty.promise
    clearTimeout(timer)
  }

  /** The queue is gone: says so to everyone. Resolves when all have heard, or would not listen. */
  async abandon(): Promise<void> {
    this.#closeDoors()
    this.#abandonAll()
    await this.#empty.promise
  }

  #closeDoors(): void {
    this.#finishing = true
    for (const server of this.#servers) server.close()
    this.#noteEmpty()
  }

  #abandonAll(): void {
    for (const conversation of this.#conversations) conversation.abandon()
    setTimeout(() => this.#empty.resolve(), (LIMITS.farewell.value + 1) * 1_000).unref()
  }

  #admit(socket: Socket): void {
    const { settings } = this.#options
    const client = plainAddress(socket.remoteAddress ?? '')
    if (client === '') return void socket.destroy()
    const group = clientGroup(client)
    const sessions = this.#ofClient.get(group) ?? 0
    if (this.#finishing) return turnAway(socket, REPLY.leaving)
    if (this.#conversations.size >= settings.limits.sessions) {
      this.#log('limits.sessions', client)
      return turnAway(socket, REPLY.tooManySessions)
    }
    if (sessions >= settings.limits.sessionsPerClient) {
      this.#log('limits.sessionsPerClient', client)
      return turnAway(socket, REPLY.tooManyOfClient)
    }
    this.#ofClient.set(group, sessions + 1)
    this.#converse(socket, client, group)
  }

  #converse(socket: Socket, client: string, group: string): void {
    const conversation = new Conversation(socket, client, this.#surroundings(client))
    this.#conversations.add(conversation)
    const idle = this.#options.settings.limits.sessionIdle * 1_000
    socket.setTimeout(idle).on('timeout', () => {
      conversation.idle()
      socket.setTimeout(idle)
    })
    socket.once('close', () => {
      this.#conversations.delete(conversation)
      const others = (this.#ofClient.get(group) ?? 1) - 1
      if (others === 0) this.#ofClient.delete(group)
      else this.#ofClient.set(group, others)
      this.#noteEmpty()
    })
    // The first turn begins to read, the second has read what was there.
    setImmediate(() => setImmediate(() => conversation.greet()))
  }

  #surroundings(client: string): Surroundings {
    const { settings, queue, log, now } = this.#options
    const right = relayRightOf(client, settings.relay.from)
    const policy: SessionPolicy = {
      hostname: settings.hostname,
      messageSize: settings.limits.messageSize,
      recipientsPerMessage: settings.limits.recipientsPerMessage,
      sessionErrors: settings.limits.sessionErrors,
      relaying: (mailbox) => decideRelaying(mailbox, right, settings),
    }
    return { policy, hops: settings.limits.hops, queue, log, now: now ?? (() => new Date()) }
  }

  #noteEmpty(): void {
    if (this.#finishing && this.#conversations.size === 0) this.#empty.resolve()
  }

  #log(because: string, client: string): void {
    this.#options.log.write({ event: 'refused', fields: { client, because } })
  }
}

function turnAway(socket: Socket, reply: Reply): void {
  socket.on('error', () => undefined)
  socket.write(formatReply(reply))
  socket.destroySoon()
}
