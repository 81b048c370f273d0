/**
 * A copy for an mbox file, in a home or in the mail spool.
 *
 * The message is gathered first and the mailbox locked only when it is complete, so that nobody waits
 * for the queue while holding a lock: up to 64 KB in memory, more in a file beside the mailbox that
 * is unlinked as soon as it is open. Then, under dot-lock and fcntl lock: remember the length, append,
 * sync; any error truncates the mailbox to where it was. mbox is not crash-proof by nature; what a crash
 * has left unfinished is closed off by an empty line, so that it spoils no other message.
 */

import { constants } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import type { Deferred, Delivered } from '../../contracts/outcome.ts'
import { attempt } from '../../io/disk.ts'
import type { LockedFile } from '../../io/file-lock.ts'
import { tryLockFile } from '../../io/file-lock.ts'
import type { Quoting } from '../../protocol/message/mboxrd.ts'
import { finishMbox, QUOTING, quoteMbox } from '../../protocol/message/mboxrd.ts'
import type { Agent } from './agent.ts'
import type { Copy } from './copy.ts'
import type { Instruction } from './instructions.ts'
import { dirnameOf, openMailbox, separatorFor } from './mbox-file.ts'
import { deferred } from './problems.ts'

const MOST_IN_MEMORY = 65_536
const PIECE = 65_536
const POLL_MILLISECONDS = 100

export type MboxInstruction = Extract<Instruction, { readonly kind: 'mbox' }>

interface Overflow {
  readonly descriptor: number
  size: number
}

/** `head` is the From_ line, Return-Path and Delivered-To. */
export class MboxCopy implements Copy {
  readonly #agent: Agent
  readonly #instruction: MboxInstruction
  readonly #head: Buffer
  #gathered: Buffer = Buffer.alloc(0)
  #overflow: Overflow | undefined

  constructor(agent: Agent, instruction: MboxInstruction, head: Buffer) {
    this.#agent = agent
    this.#instruction = instruction
    this.#head = head
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#overflow === undefined && this.#gathered.length + bytes.length <= MOST_IN_MEMORY) {
      this.#gathered = this.#gathered.length === 0 ? bytes : Buffer.concat([this.#gathered, bytes])
      return
    }
    this.#overflow ??= await this.#openOverflow()
    await this.#agent.disk.write(this.#overflow.descriptor, bytes)
    this.#overflow.size += bytes.length
  }

  async commit(): Promise<Delivered | Deferred> {
    const { turns, now, lockWaitMilliseconds } = this.#agent
    const deadline = now() + lockWaitMilliseconds
    const outcome = await turns.take(this.#instruction.path, () => this.#commitBefore(deadline))
    await this.abandon()
    return outcome
  }

  async abandon(): Promise<void> {
    if (this.#overflow !== undefined) this.#agent.disk.close(this.#overflow.descriptor)
    this.#overflow = undefined
    this.#gathered = Buffer.alloc(0)
  }

  async #commitBefore(deadline: number): Promise<Delivered | Deferred> {
    const { name } = this.#instruction
    const locked = await this.#lock(deadline)
    if (locked === 'busy') return deferred('4.2.0', `another program has locked ${name}`)
    try {
      await this.#append(locked.descriptor)
    } finally {
      await locked.release()
    }
    return { kind: 'delivered', status: '2.0.0', text: `stored in ${name}` }
  }

  async #lock(deadline: number): Promise<LockedFile | 'busy'> {
    const { disk, now } = this.#agent
    const { path } = this.#instruction
    const open = () => openMailbox(this.#agent, path)
    for (;;) {
      const locked = await tryLockFile({ disk, path, open, now })
      if (locked !== 'busy' || now() >= deadline) return locked
      await after(POLL_MILLISECONDS / 2 + Math.random() * POLL_MILLISECONDS)
    }
  }

  async #append(descriptor: number): Promise<void> {
    const { disk, directories } = this.#agent
    const { size } = disk.describe(descriptor)
    const written = await attempt(async () => {
      const separator = await separatorFor(disk, descriptor, size)
      await this.#appendMessage(descriptor, Buffer.concat([separator, this.#head]))
      await disk.sync(descriptor)
      if (size === 0) await directories.sync(dirnameOf(this.#instruction.path))
    })
    if (written.ok) return
    await attempt(() => disk.truncate(descriptor, size))
    throw Object.assign(new Error(written.problem.message), { code: written.problem.code })
  }

  async #appendMessage(descriptor: number, head: Buffer): Promise<void> {
    const { disk } = this.#agent
    const first = quoteMbox(QUOTING, this.#gathered)
    if (this.#overflow === undefined) {
      const all = Buffer.concat([head, first.bytes, finishMbox(first.quoting)])
      return disk.write(descriptor, all)
    }
    await disk.write(descriptor, Buffer.concat([head, first.bytes]))
    const quoting = await this.#appendOverflow(descriptor, this.#overflow, first.quoting)
    await disk.write(descriptor, finishMbox(quoting))
  }

  async #appendOverflow(into: number, from: Overflow, before: Quoting): Promise<Quoting> {
    const { disk } = this.#agent
    let quoting = before
    for (let position = 0; position < from.size; ) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE, from.size - position))
      const size = await disk.read(from.descriptor, piece, position)
      if (size !== piece.length) throw new Error('the gathered message has become shorter')
      const quoted = quoteMbox(quoting, piece)
      await disk.write(into, quoted.bytes)
      quoting = quoted.quoting
      position += size
    }
    return quoting
  }

  async #openOverflow(): Promise<Overflow> {
    const { disk, nextName } = this.#agent
    const { pid, count, random } = nextName()
    const path = `${this.#instruction.path}.postern-${pid}-${count}-${random}`
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    const descriptor = await disk.open(path, flags, 0o600)
    const unlinked = await attempt(() => disk.unlink(path))
    if (unlinked.ok) return { descriptor, size: 0 }
    disk.close(descriptor)
    throw Object.assign(new Error(unlinked.problem.message), { code: unlinked.problem.code })
  }
}
