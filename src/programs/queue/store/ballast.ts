/**
 * A file that holds nothing but room: given up when the disk is full, so that what was delivered can
 * still be written down and what an earlier process left can be put in order.
 *
 * New mail is refused until there is room for it again. Its bytes are random, so that no file system
 * stores them for less; losing it in a crash does no harm, so it is never synced.
 */

import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isFull } from './content.ts'

export const BALLAST_FILE = 'ballast'

const PIECE = 1_048_576

export class Ballast {
  readonly size: number
  readonly #path: string
  #isHeld: boolean

  constructor(directory: string, size: number) {
    this.size = size
    this.#path = join(directory, BALLAST_FILE)
    this.#isHeld = size === 0 || statSync(this.#path, { throwIfNoEntry: false })?.size === size
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Answers whether there is room for it. */
  hold(): boolean {
    if (this.#isHeld) return true
    try {
      this.#write()
      this.#isHeld = true
    } catch (error) {
      rmSync(this.#path, { force: true })
      if (!isFull(error)) throw error
    }
    return this.#isHeld
  }

  /** Answers whether that has made room. */
  letGo(): boolean {
    if (!this.#isHeld || this.size === 0) return false
    this.#isHeld = false
    rmSync(this.#path, { force: true })
    return true
  }

  #write(): void {
    const file = openSync(this.#path, 'w', 0o600)
    try {
      let rest = this.size
      while (rest > 0) rest -= writeSync(file, randomBytes(Math.min(rest, PIECE)))
    } finally {
      closeSync(file)
    }
  }
}
