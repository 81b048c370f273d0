/**
 * The agent's side of its connection: each stream the queue opens is a delivery or a question.
 */

import { localRequest } from '../../contracts/delivery.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import type { Agent } from './agent.ts'
import { deliver } from './deliver.ts'
import { Inbox } from './inbox.ts'
import { askMailbox } from './mailbox.ts'

export class Serving {
  readonly #agent: Agent
  readonly #running = new Set<Promise<void>>()

  constructor(agent: Agent) {
    this.#agent = agent
  }

  /** For Connection's `onOpen`. */
  open(stream: Stream, head: unknown): StreamListener {
    const request = localRequest(head)
    if (!request.ok) {
      stream.cancel()
      return {}
    }
    if (request.value.type === 'mailbox') {
      const { mailbox } = request.value
      this.#run(async () => stream.end(await askMailbox(this.#agent, mailbox)))
      return {}
    }
    const delivery = request.value
    const inbox = new Inbox(delivery.size)
    this.#run(async () => {
      await deliver(this.#agent, delivery, { inbox, queue: stream })
      stream.end({})
    })
    return {
      onData: (bytes) => inbox.push(bytes),
      onEnd: () => inbox.complete(),
      onCancel: () => inbox.cancel(),
    }
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #run(work: () => Promise<void>): void {
    const running: Promise<void> = work().finally(() => this.#running.delete(running))
    this.#running.add(running)
  }
}
