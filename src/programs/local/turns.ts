/**
 * One after another, for each key: who comes waits until all before have finished.
 */

export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  async take<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const { promise: mine, resolve: finish } = Promise.withResolvers<void>()
    this.#last.set(key, mine)
    await before
    try {
      return await work()
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key)
      finish()
    }
  }
}
