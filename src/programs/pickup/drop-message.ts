/**
 * One file of the drop directory, read: what was asked for, and the message in LF form.
 *
 * The message is never held whole: its header is, up to a limit, and the body passes in pieces.
 */

import type { FileHandle } from 'node:fs/promises'
import type { DropLimits, DropProblem, Invocation } from '../../contracts/drop-file.ts'
import { DROP_END_SIZE, parseDropEnd, parseDropHead } from '../../contracts/drop-file.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'
import type { LineProblem } from './lf-form.ts'
import { LfForm } from './lf-form.ts'

const FIRST_READ = 65_536
const PIECE = 65_536

export interface DropMessage {
  readonly invocation: Invocation
  /** Where in the file the message stands. */
  readonly start: number
  readonly end: number
}

/** The part of a file handle that is needed. */
export type Readable = Pick<FileHandle, 'read'>

export async function readDropMessage(
  file: Readable,
  size: number,
  limits: DropLimits,
): Promise<Result<DropMessage, DropProblem>> {
  for (let wanted = FIRST_READ; ; wanted *= 4) {
    const bytes = await readAt(file, 0, Math.min(wanted, size))
    const head = parseDropHead(bytes, limits)
    if (!head.ok) return head
    if (head.value !== 'more') {
      const { invocation, messageStart: start } = head.value
      const tailSize = Math.min(DROP_END_SIZE, size - start)
      const tail = await readAt(file, size - tailSize, tailSize)
      const end = parseDropEnd(tail, size, start)
      return end.ok ? ok({ invocation, start, end: end.value }) : end
    }
    if (wanted >= size) return refused('its head is malformed')
  }
}

/** What stands between two places of a file; less if the file has become shorter. */
export async function readAt(file: Readable, from: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, from + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

export type ContentProblem = LineProblem | 'the header is too long'

/** The message's pieces in LF form: first its header (with whatever follows in the same piece). */
export class MessageReader {
  readonly #file: Readable
  readonly #form: LfForm
  readonly #end: number
  #offset: number
  #finished = false
  problem: ContentProblem | undefined

  constructor(file: Readable, message: DropMessage) {
    this.#file = file
    this.#form = new LfForm(message.invocation.keepDots)
    this.#offset = message.start
    this.#end = message.end
  }

  /** Known once everything has been read. */
  get eightBit(): boolean {
    return this.#form.eightBit
  }

  /** Nothing at the end, or once there is a problem. */
  async next(): Promise<Buffer | undefined> {
    while (this.problem === undefined && !this.#finished) {
      const piece = await this.#readPiece()
      if (!piece.ok) this.problem = piece.problem
      else if (piece.value.length > 0) return piece.value
    }
    return undefined
  }

  /** Everything up to the end of the header at least, or of the message. */
  async header(longest: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let size = 0
    let lastBytes = Buffer.from('\n')
    for (;;) {
      const piece = await this.next()
      if (piece === undefined) break
      pieces.push(piece)
      size += piece.length
      const seam = Buffer.concat([lastBytes, piece.subarray(0, 1)])
      if (seam.includes('\n\n') || piece.includes('\n\n') || size > longest) break
      lastBytes = Buffer.from(piece.subarray(-1))
    }
    return Buffer.concat(pieces)
  }

  async #readPiece(): Promise<Result<Buffer, LineProblem>> {
    const length = Math.min(PIECE, this.#end - this.#offset)
    const bytes = length > 0 ? await readAt(this.#file, this.#offset, length) : Buffer.alloc(0)
    this.#offset += bytes.length
    if (bytes.length === 0) {
      this.#finished = true
      return this.#form.end()
    }
    const piece = this.#form.push(bytes)
    this.#finished = this.#form.ended
    return piece
  }
}
