/**
 * Makes names durable, once for all who wait.
 *
 * A file that was renamed into a directory is there after a crash only when the directory has been
 * synced. One sync serves everybody whose rename was done before it began; whoever comes while
 * one runs shares the next. The directory is opened anew each time: a handle kept open could stand
 * for a directory that has been replaced meanwhile.
 */

import { constants } from 'node:fs'
import type { Disk } from './disk.ts'

interface Round {
  readonly running: Promise<void>
  next?: Promise<void>
}

export class DirectorySync {
  readonly #disk: Disk
  readonly #rounds = new Map<string, Round>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Resolves when every name made in the directory before this call is durable. */
  sync(path: string): Promise<void> {
    const round = this.#rounds.get(path)
    if (round === undefined) return this.#begin(path)
    round.next ??= settled(round.running).then(() => this.#begin(path))
    return round.next
  }

  #begin(path: string): Promise<void> {
    const round: Round = { running: this.#syncOnce(path) }
    this.#rounds.set(path, round)
    void settled(round.running).then(() => {
      if (round.next === undefined) this.#rounds.delete(path)
    })
    return round.running
  }

  async #syncOnce(path: string): Promise<void> {
    const descriptor = await this.#disk.open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await this.#disk.sync(descriptor)
    } finally {
      this.#disk.close(descriptor)
    }
  }
}

function settled(promise: Promise<void>): Promise<void> {
  return promise.then(
    () => undefined,
    () => undefined,
  )
}
