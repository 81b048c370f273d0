/**
 * Whether a virtual mailbox exists: it does if its directory does.
 *
 * Only a directory that is surely not there, in a world that surely is, counts as missing: a disk that
 * has not been mounted must not turn every address into an unknown one.
 */

import type { MailboxAnswer } from '../../contracts/delivery.ts'
import { attempt } from '../../io/disk.ts'
import type { Agent } from './agent.ts'
import { mailboxPath, worldOf } from './instructions.ts'

export async function askMailbox(agent: Agent, mailbox: string): Promise<MailboxAnswer> {
  const path = mailboxPath(mailbox, agent.settings)
  if (!path.ok) return { kind: 'unsure', because: path.problem }
  const found = await attempt(() => agent.disk.look(path.value))
  if (found.ok && found.value.isDirectory()) return { kind: 'exists' }
  if (found.ok) return { kind: 'unsure', because: 'not a directory' }
  if (found.problem.code !== 'ENOENT') return { kind: 'unsure', because: found.problem.code }
  const world = await attempt(() => agent.disk.look(worldOf(agent.settings)))
  if (world.ok) return { kind: 'missing' }
  return { kind: 'unsure', because: `the directory of all mailboxes: ${world.problem.code}` }
}
