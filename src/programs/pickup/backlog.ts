/**
 * The names of files to be taken, in fair order: users take turns.
 *
 * A user with more files than `perUser` waits with the rest of them until everybody else has been
 * served. All of it is bounded; a name that finds no room is simply found again by the next scan, which
 * `incomplete` asks for.
 */

export interface BacklogEntry {
  readonly name: string
  readonly uid: number
}

export interface BacklogLimits {
  readonly perUser: number
  /** Names in turn, of all users together. */
  readonly inTurn: number
  /** Names that wait behind all others. */
  readonly later: number
}

export class Backlog {
  readonly #limits: BacklogLimits
  /** In the order of their turns. */
  readonly #turns = new Map<number, string[]>()
  #inTurn = 0
  #later: BacklogEntry[] = []
  readonly #names = new Set<string>()
  /** Some name was turned away. */
  incomplete = false

  constructor(limits: BacklogLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#names.size
  }

  offer(entry: BacklogEntry): void {
    if (this.#names.has(entry.name)) return
    const own = this.#turns.get(entry.uid)
    if (this.#inTurn < this.#limits.inTurn && (own?.length ?? 0) < this.#limits.perUser) {
      if (own === undefined) this.#turns.set(entry.uid, [entry.name])
      else own.push(entry.name)
      this.#inTurn += 1
    } else if (this.#later.length < this.#limits.later) this.#later.push(entry)
    else {
      this.incomplete = true
      return
    }
    this.#names.add(entry.name)
  }

  /** The next file of a user who `may` have one more taken. */
  next(may: (uid: number) => boolean): BacklogEntry | undefined {
    if (this.#inTurn === 0) this.#promote()
    for (const [uid, names] of this.#turns) {
      if (!may(uid)) continue
      const name = names.shift()
      this.#turns.delete(uid)
      if (names.length > 0) this.#turns.set(uid, names)
      if (name === undefined) continue
      this.#inTurn -= 1
      this.#names.delete(name)
      return { name, uid }
    }
    return undefined
  }

  #promote(): void {
    const waiting = this.#later
    this.#later = []
    for (const entry of waiting) {
      this.#names.delete(entry.name)
      this.offer(entry)
    }
  }
}
