/**
 * Files, as a program that must not lose them handles them: each call one system call.
 *
 * A small interface, so that tests can stop, fail or watch any of its steps. Every call that may wait
 * for the disk runs on Node's threads: making a file can take longer than writing it. Errors are
 * exceptions inside `attempt`, which turns them into values; nobody else needs a `catch`.
 *
 * `sync` is real in both worlds: under Node's permission model fs.fsync is refused, and the same call
 * is made natively (native.ts).
 */

import type { Stats } from 'node:fs'
import * as fs from 'node:fs'
import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'
import { native } from './native.ts'

export interface Disk {
  /** Answers a descriptor. */
  open(path: string, flags: number, mode?: number): Promise<number>
  /** Writes all of it, where the descriptor stands. */
  write(descriptor: number, bytes: Buffer): Promise<void>
  /** Reads up to the size of `into`; fewer only at the end of the file. */
  read(descriptor: number, into: Buffer, position: number): Promise<number>
  sync(descriptor: number): Promise<void>
  truncate(descriptor: number, length: number): Promise<void>
  close(descriptor: number): void
  describe(descriptor: number): Stats
  look(path: string): Promise<Stats>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  makeDirectory(path: string, mode: number): Promise<void>
  /** The first names in a directory, at most so many. */
  list(path: string, most: number): Promise<readonly string[]>
}

/** What the operating system said no to: `{ code: 'ENOSPC', message: '…' }`. */
export interface DiskProblem {
  readonly code: string
  readonly message: string
}

/** Runs steps on a disk; the first that fails ends them. Mistakes of ours stay exceptions. */
export async function attempt<Value>(
  steps: () => Promise<Value>,
): Promise<Result<Value, DiskProblem>> {
  try {
    return ok(await steps())
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (typeof code !== 'string') throw error
    return refused({ code, message })
  }
}

/** Runs steps that may fail in one expected way, told by its code; that gives `undefined`. */
export async function unless<Value>(
  code: string,
  steps: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await steps()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return undefined
    throw error
  }
}

type Answer<Value> = (error: Error | null, value: Value) => void

function call<Value>(start: (answer: Answer<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)))
  })
}

/** Node passes no value where there is none. */
function act(start: (answer: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)))
  })
}

export const DISK: Disk = {
  open: (path, flags, mode) => call((answer) => fs.open(path, flags, mode, answer)),
  write: writeAll,
  read: readAll,
  sync: async (descriptor) => {
    // Present only where the permission model is on.
    if (process.permission !== undefined) return (await native()).fsync(descriptor)
    await act((answer) => fs.fsync(descriptor, answer))
  },
  truncate: (descriptor, length) => act((answer) => fs.ftruncate(descriptor, length, answer)),
  close: (descriptor) => fs.closeSync(descriptor),
  describe: (descriptor) => fs.fstatSync(descriptor),
  look: (path) => call((answer) => fs.stat(path, answer)),
  rename: (from, to) => act((answer) => fs.rename(from, to, answer)),
  unlink: (path) => act((answer) => fs.unlink(path, answer)),
  makeDirectory: (path, mode) => act((answer) => fs.mkdir(path, { mode }, answer)),
  list: listSome,
}

async function writeAll(descriptor: number, bytes: Buffer): Promise<void> {
  let offset = 0
  while (offset < bytes.length) {
    const from = offset
    offset += await call<number>((answer) =>
      fs.write(descriptor, bytes, from, bytes.length - from, null, answer),
    )
  }
}

async function readAll(descriptor: number, into: Buffer, position: number): Promise<number> {
  let size = 0
  while (size < into.length) {
    const from = size
    const more = await call<number>((answer) =>
      fs.read(descriptor, into, from, into.length - from, position + from, answer),
    )
    if (more === 0) break
    size += more
  }
  return size
}

async function listSome(path: string, most: number): Promise<readonly string[]> {
  const names: string[] = []
  for await (const entry of await fs.promises.opendir(path)) {
    if (names.push(entry.name) >= most) break
  }
  return names
}
