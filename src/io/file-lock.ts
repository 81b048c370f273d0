/**
 * The two locks every program takes before it writes to an mbox file: a dot-lock and an fcntl lock.
 *
 * Both are asked for without waiting, dot-lock first, and both are given back if one is refused:
 * whatever order the others take them in, nobody waits in a circle. A dot-lock older than ten
 * minutes is a dead program's and is removed; nobody holds one for longer than five.
 *
 * fcntl locks belong to the process and vanish when any descriptor of the file is closed, so within
 * a process the caller must see to it that each file is handled by one at a time.
 */

import { constants } from 'node:fs'
import type { Disk } from './disk.ts'
import { attempt, unless } from './disk.ts'
import { native } from './native.ts'

const STALE_MILLISECONDS = 600_000
const DOT_LOCK_MODE = 0o644

export interface LockedFile {
  readonly descriptor: number
  /** Closes the file, which ends its fcntl lock, and removes the dot-lock. */
  readonly release: () => Promise<void>
}

export interface LockRequest {
  readonly disk: Disk
  readonly path: string
  /** Opens the file for reading and writing; called while the dot-lock is held. */
  readonly open: () => Promise<number>
  readonly now: () => number
}

/** Both locks, or `busy` when somebody else holds one. Throws what the disk says. */
export async function tryLockFile(request: LockRequest): Promise<LockedFile | 'busy'> {
  const { disk, path } = request
  const dotLock = `${path}.lock`
  if (!(await takeDotLock(request, dotLock))) return 'busy'
  let descriptor: number | undefined
  const release = async () => {
    if (descriptor !== undefined) disk.close(descriptor)
    await attempt(() => disk.unlink(dotLock))
  }
  let locked = false
  try {
    descriptor = await request.open()
    locked = (await native()).tryLock(descriptor)
    return locked ? { descriptor, release } : 'busy'
  } finally {
    if (!locked) await release()
  }
}

async function takeDotLock(request: LockRequest, dotLock: string): Promise<boolean> {
  const { disk } = request
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
  const descriptor = await unless('EEXIST', () => disk.open(dotLock, flags, DOT_LOCK_MODE))
  if (descriptor === undefined) {
    await removeStale(request, dotLock)
    return false
  }
  let written = false
  try {
    await disk.write(descriptor, Buffer.from(`${process.pid}\n`))
    written = true
    return true
  } finally {
    disk.close(descriptor)
    if (!written) await attempt(() => disk.unlink(dotLock))
  }
}

/** It is taken by whoever comes next, not in the same breath. */
async function removeStale({ disk, now }: LockRequest, dotLock: string): Promise<void> {
  const seen = await attempt(() => disk.look(dotLock))
  if (!seen.ok || now() - seen.value.mtimeMs < STALE_MILLISECONDS) return
  await attempt(() => disk.unlink(dotLock))
}
