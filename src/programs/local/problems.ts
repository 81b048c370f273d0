/**
 * What a disk's refusal means for a delivery: always a later attempt, never a bounce.
 *
 * RFC 3463 section 3.3 (mailbox status), section 3.4 (mail system status).
 */

import type { Deferred, TemporaryStatus } from '../../contracts/outcome.ts'
import { LONGEST_OUTCOME_TEXT } from '../../contracts/outcome.ts'
import type { DiskProblem } from '../../io/disk.ts'

const MEANINGS: Readonly<Record<string, readonly [TemporaryStatus, string]>> = {
  EDQUOT: ['4.2.2', 'the owner of the mailbox is over quota'],
  EFBIG: ['4.2.2', 'the mailbox would exceed the largest file allowed'],
  ENOSPC: ['4.3.1', 'the disk of the mailbox is full'],
  ENOENT: ['4.2.1', 'the mailbox or a directory above it is missing'],
  ENOTDIR: ['4.2.1', 'the mailbox or something above it is not a directory'],
  EACCES: ['4.2.1', 'the mailbox may not be written by its owner'],
  EPERM: ['4.2.1', 'the mailbox may not be written by its owner'],
  EROFS: ['4.2.1', 'the disk of the mailbox is read-only'],
  ELOOP: ['4.7.0', 'the mailbox is a symbolic link, or one in a circle'],
  FOREIGN: ['4.7.0', 'the mailbox in the mail spool belongs to another user, or has two names'],
  NOT_A_FILE: ['4.7.0', 'the mailbox is not a regular file'],
  ENXIO: ['4.7.0', 'the mailbox is not a regular file'],
  // What an address makes too long is refused by the routing; this is the host's own doing.
  ENAMETOOLONG: ['4.3.5', 'the name of the mailbox, or of a file in it, is too long for its disk'],
  EXDEV: ['4.3.5', 'directories of the mailbox (tmp and new) are on different disks'],
  ENOLCK: ['4.2.0', 'the mailbox cannot be locked'],
  ERR_NATIVE_MISSING: ['4.3.0', 'koffi, which locks and syncs files, cannot be loaded'],
}

export function deferred(status: TemporaryStatus, text: string): Deferred {
  return { kind: 'deferred', status, text: text.slice(0, LONGEST_OUTCOME_TEXT) }
}

export function deferredBy(problem: DiskProblem, mailbox: string): Deferred {
  const [status, meaning] = MEANINGS[problem.code] ?? ['4.3.0', 'the disk of the mailbox fails']
  return deferred(status, `${meaning} (${problem.code}): ${mailbox}`)
}
