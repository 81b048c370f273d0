/**
 * The two system calls that Node does not offer, through koffi: fcntl locks, and fsync where Node's
 * permission model is on.
 *
 * Under `--permission` Node refuses fsync on every descriptor, whatever was allowed, and without it
 * nothing can be promised; the agents may load native code for this reason and for locks. koffi is
 * loaded when it is first needed. Where it cannot be, the caller hears an error with the code
 * `ERR_NATIVE_MISSING`, which is temporary like every other.
 */

import type * as Koffi from 'koffi'

type KoffiModule = typeof Koffi

/** At most so many calls at once on koffi's threads; it refuses more than 256. */
const MOST_CALLS = 64

interface LockCall {
  readonly setLock: number
  readonly writeLock: number
  readonly layout: Readonly<Record<string, string>>
}

const LINUX: LockCall = {
  setLock: 6,
  writeLock: 1,
  layout: { l_type: 'short', l_whence: 'short', l_start: 'int64', l_len: 'int64', l_pid: 'int' },
}
const BSD_LAYOUT = {
  l_start: 'int64',
  l_len: 'int64',
  l_pid: 'int',
  l_type: 'short',
  l_whence: 'short',
}
const LOCK_CALLS: Readonly<Partial<Record<NodeJS.Platform, LockCall>>> = {
  linux: LINUX,
  freebsd: { setLock: 12, writeLock: 3, layout: { ...BSD_LAYOUT, l_sysid: 'int' } },
  darwin: { setLock: 8, writeLock: 3, layout: BSD_LAYOUT },
}

export interface Native {
  readonly fsync: (descriptor: number) => Promise<void>
  /** Asks for an exclusive fcntl lock on the whole file, without waiting. */
  readonly tryLock: (descriptor: number) => boolean
}

let loading: Promise<Native> | undefined

export function native(): Promise<Native> {
  loading ??= load()
  return loading
}

async function load(): Promise<Native> {
  let koffi: KoffiModule
  try {
    koffi = await import('koffi')
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw coded('ERR_NATIVE_MISSING', `koffi cannot be loaded: ${why}`)
  }
  const libc = koffi.load(null)
  return { fsync: syncCall(libc), tryLock: lockCall(koffi, libc) }
}

function syncCall(libc: Koffi.LibraryHandle): Native['fsync'] {
  const fsync = libc.func('int fsync(int descriptor)')
  const waiting: (() => void)[] = []
  let running = 0
  const begin = (descriptor: number, settle: (error?: Error) => void) => {
    running += 1
    fsync.async(descriptor, (error: unknown, result: unknown) => {
      running -= 1
      waiting.shift()?.()
      if (error === null && result === 0) settle()
      else settle(coded('EIO', 'fsync failed'))
    })
  }
  return (descriptor) =>
    new Promise((resolve, reject) => {
      const settle = (error?: Error) => (error === undefined ? resolve() : reject(error))
      if (running < MOST_CALLS) begin(descriptor, settle)
      else waiting.push(() => begin(descriptor, settle))
    })
}

function lockCall(koffi: KoffiModule, libc: Koffi.LibraryHandle): Native['tryLock'] {
  const call = LOCK_CALLS[process.platform]
  if (call === undefined) {
    return () => {
      throw coded('ENOSYS', `fcntl locks are not known on ${process.platform}`)
    }
  }
  const layout = koffi.struct(call.layout)
  const fcntl = libc.func('fcntl', 'int', ['int', 'int', '...'])
  const lock = { l_type: call.writeLock, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0, l_sysid: 0 }
  const { EAGAIN, EACCES } = koffi.os.errno
  return (descriptor) => {
    if (fcntl(descriptor, call.setLock, koffi.pointer(layout), lock) === 0) return true
    const errno = koffi.errno()
    if (errno === EAGAIN || errno === EACCES) return false
    throw coded(nameOfErrno(koffi, errno), 'fcntl lock failed')
  }
}

function nameOfErrno(koffi: KoffiModule, errno: number): string {
  return Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? 'EIO'
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
