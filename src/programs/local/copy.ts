/**
 * One copy of a message on its way into one mailbox.
 *
 * `write` any number of times, then either `commit` or `abandon`. Until `commit` has resolved nothing
 * can be seen in the mailbox; when it has, the copy survives a power cut. All three throw what
 * the disk says; after a throw the copy must be abandoned.
 */

import type { Deferred, Delivered } from '../../contracts/outcome.ts'

export interface Copy {
  write(bytes: Buffer): Promise<void>
  commit(): Promise<Delivered | Deferred>
  /** Leaves nothing behind. Does nothing after a commit. */
  abandon(): Promise<void>
}
