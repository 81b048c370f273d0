/**
 * The drop directory as pickup touches it: finding names, looking at files, opening and removing them.
 *
 * Nothing in it is trusted: links are not followed, opening never blocks, and what was looked at by name
 * is looked at again once it is open. Names are bytes, kept one character a byte, so that every one
 * of them can be removed.
 *
 * New files are noticed by fs.watch, and by a scan now and then in case a notice was lost. A scan
 * streams: a million files take no more memory than ten.
 */

import type { BigIntStats, FSWatcher } from 'node:fs'
import { constants, watch } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { lstat, open, opendir, rmdir, unlink } from 'node:fs/promises'
import type { FileStatus } from './judge.ts'

export interface OpenedFile {
  readonly handle: FileHandle
  readonly status: FileStatus
  readonly uid: number
  readonly size: number
  /** The same for as long as nobody has changed the file in any way. */
  readonly key: string
}

const OPEN_FLAGS =
  constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
const NAMES_AT_ONCE = 256

export class DropDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Calls with each name something has happened to; without one where that is not known. */
  watch(onName: (name: string | undefined) => void): FSWatcher {
    const watcher = watch(this.path, { encoding: 'buffer', persistent: false }, (_event, name) =>
      onName(name === null ? undefined : Buffer.from(name).toString('latin1')),
    )
    watcher.on('error', () => onName(undefined))
    return watcher
  }

  async *names(): AsyncGenerator<string> {
    // The declarations do not know that names come as bytes if asked for.
    const encoding = 'buffer' as unknown as BufferEncoding
    const entries = await opendir(this.path, { encoding, bufferSize: NAMES_AT_ONCE })
    for await (const entry of entries) {
      yield Buffer.from(entry.name as unknown as Uint8Array).toString('latin1')
    }
  }

  /** Nothing if there is no such file any more. */
  async look(name: string): Promise<{ status: FileStatus; uid: number } | undefined> {
    try {
      const stats = await lstat(this.#fileOf(name), { bigint: true })
      return { status: statusOf(stats), uid: Number(stats.uid) }
    } catch {
      return undefined
    }
  }

  /** A reason in place of a file that cannot be opened; nothing if it is gone. */
  async open(name: string): Promise<OpenedFile | string | undefined> {
    let handle: FileHandle | undefined
    try {
      handle = await open(this.#fileOf(name), OPEN_FLAGS)
      const stats = await handle.stat({ bigint: true })
      return {
        handle,
        status: statusOf(stats),
        uid: Number(stats.uid),
        size: Number(stats.size),
        key: `drop/${stats.dev}/${stats.ino}/${stats.ctimeNs}`,
      }
    } catch (error) {
      await handle?.close()
      const { code } = error as NodeJS.ErrnoException
      return code === 'ENOENT' ? undefined : `it cannot be opened (${code})`
    }
  }

  /** Answers what went wrong, or nothing. A directory goes only if it is empty. */
  async remove(name: string): Promise<string | undefined> {
    const status = (await this.look(name))?.status
    try {
      if (status?.isDirectory === true) await rmdir(this.#fileOf(name))
      else if (status !== undefined) await unlink(this.#fileOf(name))
      return undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      return code === 'ENOENT' ? undefined : `it cannot be removed (${code})`
    }
  }

  #fileOf(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.path}/`), Buffer.from(name, 'latin1')])
  }
}

function statusOf(stats: BigIntStats): FileStatus {
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    links: Number(stats.nlink),
    gid: Number(stats.gid),
    mode: Number(stats.mode) & 0o7777,
    changedAt: Number(stats.ctimeMs),
  }
}
