/**
 * Opening an mbox file, and what stands at its end.
 *
 * In the mail spool, a directory many may write, the file must be a regular one with one name that
 * belongs to this agent's user, and links are not followed; in a home its owner decides. A file that
 * is missing is made: mode 0600, in the spool 0660 for the group mail, as Debian's tools have it.
 */

import { constants } from 'node:fs'
import { userInfo } from 'node:os'
import type { Disk } from '../../io/disk.ts'
import type { Agent } from './agent.ts'

const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
const LF = 0x0a

export async function openMailbox({ disk, settings }: Agent, path: string): Promise<number> {
  const inSpool = settings.spool !== undefined
  const descriptor = await (inSpool
    ? disk.open(path, FLAGS | constants.O_NOFOLLOW, 0o660)
    : disk.open(path, FLAGS, 0o600))
  const file = disk.describe(descriptor)
  const foreign = inSpool && (file.nlink !== 1 || file.uid !== ownUid())
  if (file.isFile() && !foreign) return descriptor
  disk.close(descriptor)
  throw Object.assign(new Error(path), { code: foreign ? 'FOREIGN' : 'NOT_A_FILE' })
}

function ownUid(): number {
  return process.geteuid?.() ?? userInfo().uid
}

/** What must come before the next message so that the one before it ends with an empty line. */
export async function separatorFor(disk: Disk, descriptor: number, size: number): Promise<Buffer> {
  if (size === 0) return Buffer.alloc(0)
  const end = Buffer.alloc(Math.min(2, size))
  await disk.read(descriptor, end, size - end.length)
  if (end.at(-1) !== LF) return Buffer.from('\n\n')
  return Buffer.from(end.at(-2) === LF ? '' : '\n')
}

export function dirnameOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
