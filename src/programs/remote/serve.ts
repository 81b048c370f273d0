/**
 * Takes the queue's requests and answers them: each stream is one attempt (contracts/delivery.ts).
 *
 * Attempts run beside each other and share connections to mail hosts and what the DNS has said; how many there
 * are at once is the queue's decision. A request that cannot be read is answered by its end alone, so that
 * its recipients are waiting again.
 */

import type { RemoteDelivery } from '../../contracts/delivery.ts'
import { remoteRequest } from '../../contracts/delivery.ts'
import type { RecipientOutcome } from '../../contracts/outcome.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import type { Log } from '../../io/log.ts'
import { Content } from './content.ts'
import type { World } from './deliver.ts'
import { deliver } from './deliver.ts'

export class Service {
  /** Changes when the settings do; an attempt keeps the world it began in. */
  world: World
  readonly #log: Log
  #running = 0
  #finishing = false
  #idle: (() => void) | undefined

  constructor(world: World, log: Log) {
    this.world = world
    this.#log = log
  }

  readonly accept = (stream: Stream, head: unknown): StreamListener => {
    const request = remoteRequest(head)
    if (!request.ok) {
      this.#log.write({ event: 'request-unreadable', fields: { problem: request.problem } })
    }
    if (!request.ok || this.#finishing) {
      queueMicrotask(() => stream.end({}))
      return {}
    }
    const content = new Content(request.value.size, (bytes) => stream.grant(bytes))
    void this.#attempt(stream, request.value, content)
    return {
      onData: (bytes) => content.receive(bytes),
      onEnd: () => content.receiveEnd(),
      onCancel: () => content.receiveCancel(),
    }
  }

  /** Takes nothing new and answers when the last attempt has ended. */
  finish(): Promise<void> {
    this.#finishing = true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    if (this.#running === 0) resolve()
    return promise
  }

  async #attempt(stream: Stream, delivery: RemoteDelivery, content: Content): Promise<void> {
    this.#running += 1
    const tell = (verdict: RecipientOutcome) => stream.record(verdict)
    await deliver({ delivery, content, tell }, this.world)
    stream.end({})
    this.#running -= 1
    if (this.#running === 0) this.#idle?.()
  }
}
