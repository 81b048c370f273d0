/**
 * Large contents, one file each, in 32 directories beside the database.
 *
 * Order of durability: a row says the file may exist (schema.ts) → the file is created exclusively,
 * written, synced → its directory is synced → the row that uses it is committed. And at the end: the
 * row that no longer uses it is committed → unlink → the directory is synced → the row goes. File
 * names are relative to the queue's directory, so that it can be moved.
 */

import { closeSync, openSync, read } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DISK } from '../../../io/disk.ts'
import { messageOf } from './group-commit.ts'
import { formatQueueId } from './queue-id.ts'
import type { StoreFailure } from './store.ts'
import { StoreFull } from './store.ts'

/** What cannot be taken back; a crash test cuts before each. */
export type DurableStep =
  | 'file create'
  | 'file write'
  | 'file sync'
  | 'directory sync'
  | 'commit'
  | 'answer'
  | 'unlink'

export const CONTENT_DIRECTORY = 'content'
/** Content is read, and handed on, in pieces of this size. */
export const PIECE = 65_536

const SUBDIRECTORIES = 32

export interface ContentFilesOptions {
  readonly directory: string
  readonly before: (step: DurableStep) => void
  /** An I/O error that is not a full disk. Answers what the caller is told. */
  readonly broken: (why: string, cause: unknown) => StoreFailure
}

export class ContentFiles {
  #root: string
  #before: (step: DurableStep) => void
  #broken: ContentFilesOptions['broken']

  constructor({ directory, before, broken }: ContentFilesOptions) {
    this.#root = join(directory, CONTENT_DIRECTORY)
    this.#before = before
    this.#broken = broken
  }

  /** Makes the directories. Once, before anything is written. */
  async prepare(): Promise<void> {
    for (let n = 0; n < SUBDIRECTORIES; n++) {
      await mkdir(this.#directoryOf(n), { recursive: true, mode: 0o700 })
    }
    await syncDirectory(this.#root)
    await syncDirectory(join(this.#root, '..'))
  }

  async create(id: number): Promise<ContentWriter> {
    return this.#guarded(async () => {
      this.#before('file create')
      return new ContentWriter(await open(this.#pathOf(id), 'wx', 0o600), {
        write: (handle, bytes) => this.#guarded(() => this.#write(handle, bytes)),
        finish: (handle) => this.#guarded(() => this.#finish(handle, id)),
      })
    })
  }

  /** At once, while the row that names the file is known to be there: an open file outlives it. */
  openNow(id: number): OpenFile {
    const fd = openSync(this.#pathOf(id), 'r')
    return { fd, close: () => closeSync(fd) }
  }

  /** Files that are not there are removed too. Resolves when no crash can bring them back. */
  async remove(ids: readonly number[]): Promise<void> {
    await this.#guarded(async () => {
      for (const id of ids) {
        this.#before('unlink')
        await unlink(this.#pathOf(id)).catch(ignoreMissing)
      }
      for (const directory of new Set(ids.map((id) => this.#directoryOf(id)))) {
        this.#before('directory sync')
        await syncDirectory(directory)
      }
    })
  }

  async #write(handle: FileHandle, bytes: Uint8Array): Promise<void> {
    this.#before('file write')
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await handle.write(bytes, done)
      done += bytesWritten
    }
  }

  async #finish(handle: FileHandle, id: number): Promise<void> {
    this.#before('file sync')
    await DISK.sync(handle.fd)
    await handle.close()
    this.#before('directory sync')
    await syncDirectory(this.#directoryOf(id))
  }

  async #guarded<Value>(act: () => Promise<Value>): Promise<Value> {
    try {
      return await act()
    } catch (error) {
      if (isFull(error)) throw new StoreFull('no room for content', { cause: error })
      throw this.#broken(`a content file failed: ${messageOf(error)}`, error)
    }
  }

  #directoryOf(id: number): string {
    return join(this.#root, formatQueueId(id % SUBDIRECTORIES).slice(-1))
  }

  #pathOf(id: number): string {
    return join(this.#directoryOf(id), formatQueueId(id))
  }
}

interface WriterActs {
  readonly write: (handle: FileHandle, bytes: Uint8Array) => Promise<void>
  readonly finish: (handle: FileHandle) => Promise<void>
}

/** A file that is being written. */
export class ContentWriter {
  #handle: FileHandle
  #acts: WriterActs
  #open = true

  constructor(handle: FileHandle, acts: WriterActs) {
    this.#handle = handle
    this.#acts = acts
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#acts.write(this.#handle, bytes)
  }

  /** Resolves when file and name have been synced. */
  async finish(): Promise<void> {
    await this.#acts.finish(this.#handle)
    this.#open = false
  }

  /** Closes; the file is removed by whoever knows its row. */
  async discard(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#handle.close().catch(() => {})
  }
}

export interface OpenFile {
  readonly fd: number
  close(): void
}

export async function* readPieces({ fd }: OpenFile): AsyncIterable<Uint8Array> {
  for (let at = 0; ; ) {
    const piece = await readPiece(fd, at)
    if (piece.length === 0) return
    at += piece.length
    yield piece
  }
}

function readPiece(fd: number, position: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    read(fd, Buffer.allocUnsafe(PIECE), 0, PIECE, position, (error, length, buffer) => {
      if (error === null) resolve(buffer.subarray(0, length))
      else reject(error)
    })
  })
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await DISK.sync(directory.fd)
  } finally {
    await directory.close()
  }
}

export function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && FULL.has(error.code)
}
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}
