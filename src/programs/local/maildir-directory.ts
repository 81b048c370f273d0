/**
 * The directories of a Maildir: made when they may be, and cleaned of what crashes have left.
 *
 * A Maildir that may not be created must be there, yet one that lacks tmp, new or cur gets them: an
 * administrator who made the directory meant a mailbox. Directories above it are made only below the
 * agent's own world, and everything made is synced into its parent before mail goes there.
 */

import { attempt, unless } from '../../io/disk.ts'
import type { Agent } from './agent.ts'
import { worldOf } from './instructions.ts'
import { isOwnTmpName } from './maildir-name.ts'

const DIRECTORY_MODE = 0o700
/** `tmp` last: a delivery that finds it takes the others for granted. */
const PARTS = ['new', 'cur', 'tmp'] as const

/** Readers leave files in tmp alone for so long, since a delivery may still be writing them. */
const STALE_MILLISECONDS = 36 * 3_600_000
const MOST_LISTED = 1_000
const MOST_REMEMBERED = 10_000

export async function makeMaildir(
  agent: Agent,
  maildir: { readonly path: string; readonly create: boolean },
): Promise<void> {
  const { path, create } = maildir
  if (create) await makeParents(agent, path)
  // The parent decides: without `create` these fail with ENOENT where there is no mailbox.
  for (const part of PARTS) {
    await unless('EEXIST', () => agent.disk.makeDirectory(`${path}/${part}`, DIRECTORY_MODE))
  }
  await agent.directories.sync(path)
}

async function makeParents(agent: Agent, path: string): Promise<void> {
  const root = worldOf(agent.settings)
  let parent = root
  for (const step of path.slice(root.length + 1).split('/')) {
    const directory = `${parent}/${step}`
    const make = () => agent.disk.makeDirectory(directory, DIRECTORY_MODE).then(() => true)
    if (await unless('EEXIST', make)) await agent.directories.sync(parent)
    parent = directory
  }
}

/** Once for each Maildir in the life of an agent, after a delivery and never in its way. */
export async function cleanTmp(agent: Agent, maildir: string): Promise<void> {
  const { cleaned, disk, settings } = agent
  if (cleaned.has(maildir)) return
  if (cleaned.size >= MOST_REMEMBERED) cleaned.clear()
  cleaned.add(maildir)
  const names = await attempt(() => disk.list(`${maildir}/tmp`, MOST_LISTED))
  if (!names.ok) return
  for (const name of names.value) {
    if (isOwnTmpName(name, settings.hostname)) await removeIfStale(agent, `${maildir}/tmp/${name}`)
  }
}

async function removeIfStale({ disk, now }: Agent, path: string): Promise<void> {
  await attempt(async () => {
    const { mtimeMs } = await disk.look(path)
    if (now() - mtimeMs > STALE_MILLISECONDS) await disk.unlink(path)
  })
}
