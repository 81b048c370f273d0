/**
 * A copy for a Maildir.
 *
 *     open tmp/x exclusively · write … · sync x · rename to new/y · sync new/      then "delivered"
 *
 * A crash at any moment leaves at most a file in tmp/, which readers never look at and which goes after
 * 36 hours. The name in new/ holds the file's own device and inode numbers, so no other file can
 * bear it: rename cannot replace anything, and unlike link and unlink it is one step, and works
 * where there are no hard links.
 */

import { constants } from 'node:fs'
import type { Delivered } from '../../contracts/outcome.ts'
import { attempt, unless } from '../../io/disk.ts'
import type { Agent } from './agent.ts'
import type { Copy } from './copy.ts'
import type { Instruction } from './instructions.ts'
import { cleanTmp, makeMaildir } from './maildir-directory.ts'
import { formatNewName, formatTmpName } from './maildir-name.ts'

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const FILE_MODE = 0o600
const MOST_NAMES_TRIED = 3

export type MaildirInstruction = Extract<Instruction, { readonly kind: 'maildir' }>

interface TmpFile {
  readonly descriptor: number
  readonly path: string
  readonly newName: (size: number) => string
}

/** `head` is what is written before the message: Return-Path and Delivered-To. */
export class MaildirCopy implements Copy {
  readonly #agent: Agent
  readonly #instruction: MaildirInstruction
  readonly #head: Buffer
  #file: TmpFile | undefined
  #descriptor: number | undefined
  /** What `abandon` must remove. */
  #leftover: string | undefined
  #size = 0

  constructor(agent: Agent, instruction: MaildirInstruction, head: Buffer) {
    this.#agent = agent
    this.#instruction = instruction
    this.#head = head
  }

  async write(bytes: Buffer): Promise<void> {
    const first = this.#file === undefined
    const file = this.#file ?? (await this.#begin())
    const all = first ? Buffer.concat([this.#head, bytes]) : bytes
    await this.#agent.disk.write(file.descriptor, all)
    this.#size += all.length
  }

  async commit(): Promise<Delivered> {
    const { disk, directories } = this.#agent
    const { path, name } = this.#instruction
    if (this.#file === undefined) await this.write(Buffer.alloc(0))
    const file = this.#file
    if (file === undefined) throw new Error('a Maildir copy without a file')
    await disk.sync(file.descriptor)
    this.#close()
    const final = `${path}/new/${file.newName(this.#size)}`
    await this.#rename(file.path, final)
    this.#leftover = final
    await directories.sync(`${path}/new`)
    this.#leftover = undefined
    void cleanTmp(this.#agent, path)
    return { kind: 'delivered', status: '2.0.0', text: `stored in ${name}` }
  }

  async abandon(): Promise<void> {
    this.#close()
    const path = this.#leftover
    this.#leftover = undefined
    if (path !== undefined) await attempt(() => this.#agent.disk.unlink(path))
  }

  async #begin(): Promise<TmpFile> {
    let file = await unless('ENOENT', () => this.#createTmp())
    if (file === undefined) {
      await makeMaildir(this.#agent, this.#instruction)
      file = await this.#createTmp()
    }
    this.#file = file
    return file
  }

  /** A crash may have left a Maildir with tmp and without new. */
  async #rename(from: string, to: string): Promise<void> {
    const rename = () => this.#agent.disk.rename(from, to).then(() => true)
    if (await unless('ENOENT', rename)) return
    await makeMaildir(this.#agent, this.#instruction)
    await rename()
  }

  async #createTmp(): Promise<TmpFile> {
    const { disk, nextName, settings } = this.#agent
    for (let tried = 1; ; tried += 1) {
      const part = nextName()
      const path = `${this.#instruction.path}/tmp/${formatTmpName(part, settings.hostname)}`
      const create = () => disk.open(path, FLAGS, FILE_MODE)
      const descriptor = await (tried < MOST_NAMES_TRIED ? unless('EEXIST', create) : create())
      if (descriptor === undefined) continue
      this.#leftover = path
      this.#descriptor = descriptor
      const { dev, ino } = disk.describe(descriptor)
      const newName = (size: number) => formatNewName(part, settings.hostname, { dev, ino, size })
      return { descriptor, path, newName }
    }
  }

  #close(): void {
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor !== undefined) this.#agent.disk.close(descriptor)
  }
}
