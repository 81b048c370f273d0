/**
 * Whether mail may be delivered in a home at all.
 *
 * A home that others can write is no place for mail; one with the sticky bit says "wait, I am changing
 * my mail set-up". A missing home is one that has not been mounted. The mail spool has its own rules.
 */

import type { Deferred } from '../../contracts/outcome.ts'
import { attempt } from '../../io/disk.ts'
import type { Agent } from './agent.ts'
import { deferred, deferredBy } from './problems.ts'

const OTHER_WRITABLE = 0o002
const STICKY = 0o1000

export async function checkHome({ disk, settings }: Agent): Promise<Deferred | undefined> {
  if (settings.spool !== undefined) return undefined
  const home = await attempt(() => disk.look(settings.home))
  if (!home.ok) return { ...deferredBy(home.problem, 'the home directory'), status: '4.2.1' }
  if (!home.value.isDirectory()) return deferred('4.2.1', 'the home is not a directory')
  if ((home.value.mode & OTHER_WRITABLE) !== 0) {
    return deferred('4.7.0', 'the home directory can be written by others')
  }
  if ((home.value.mode & STICKY) !== 0) {
    return deferred('4.2.1', 'the home directory is sticky: its owner is changing the mail set-up')
  }
  return undefined
}
