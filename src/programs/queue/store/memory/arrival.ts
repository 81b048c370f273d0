/**
 * A message on its way into the memory engine.
 */

import type { Arrival, CommitRequest, QueueId, RoutedRecipient } from '../store.ts'
import type { MemoryModel } from './model.ts'

type Ask = <Value>(act: () => Value) => Promise<Value>

export class MemoryArrival implements Arrival {
  readonly queueId: QueueId
  #model: MemoryModel
  #ask: Ask
  #chunks: Uint8Array[] = []
  #recipients: RoutedRecipient[] = []
  #isOver = false

  constructor(model: MemoryModel, ask: Ask) {
    this.#model = model
    this.#ask = ask
    this.queueId = model.nextQueueId()
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#step(() => this.#chunks.push(bytes))
  }

  async addRecipients(recipients: readonly RoutedRecipient[]): Promise<void> {
    await this.#step(() => {
      for (const recipient of recipients) this.#recipients.push(recipient)
    })
  }

  async commit(request: CommitRequest): Promise<QueueId> {
    return this.#step(() => {
      const { idempotencyKey: key, prepend, reversePath, now, origin } = request
      this.#isOver = true
      const earlier = key === undefined ? undefined : this.#model.keys.get(key)
      if (earlier !== undefined) return earlier
      this.#model.accept({
        queueId: this.queueId,
        reversePath,
        now,
        origin,
        traits: request,
        recipients: this.#recipients,
        bytes: Buffer.concat([Buffer.from(prepend), ...this.#chunks]),
      })
      if (key !== undefined) this.#model.keys.set(key, this.queueId)
      return this.queueId
    })
  }

  async abort(): Promise<void> {
    this.#isOver = true
  }

  async #step<Value>(act: () => Value): Promise<Value> {
    if (this.#isOver) throw new Error('the message has been queued or abandoned')
    try {
      return await this.#ask(act)
    } catch (error) {
      this.#isOver = true
      throw error
    }
  }
}
