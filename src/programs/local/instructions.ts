/**
 * What is to be done for a recipient: a list of instructions, executed in order until one fails.
 *
 * Today the list is always the default delivery, the one mailbox the queue has named. A user's own
 * instructions will be read here, and nowhere else, and give a longer list.
 *
 * A mailbox must lie in the agent's own world. Symbolic links inside it are its owner's affair: the
 * agent can do nothing the owner could not do without it.
 */

import type { LocalRecipient } from '../../contracts/delivery.ts'
import type { AgentSettings } from '../../contracts/supervision.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'

/** `name` is how the mailbox is called in outcomes: relative to the agent's world. */
export type Instruction =
  | {
      readonly kind: 'maildir'
      readonly path: string
      readonly name: string
      readonly create: boolean
    }
  | { readonly kind: 'mbox'; readonly path: string; readonly name: string }

export function instructionsFor(
  recipient: LocalRecipient,
  settings: AgentSettings,
): Result<readonly Instruction[], string> {
  return defaultDelivery(recipient, settings)
}

function defaultDelivery(
  { mailbox, create }: LocalRecipient,
  settings: AgentSettings,
): Result<readonly Instruction[], string> {
  const path = mailboxPath(mailbox, settings)
  if (!path.ok) return path
  const root = worldOf(settings)
  const name = path.value === root ? mailbox : path.value.slice(root.length + 1)
  if (!mailbox.endsWith('/')) return ok([{ kind: 'mbox', path: path.value, name }])
  return ok([{ kind: 'maildir', path: path.value, name: `${name}/`, create }])
}

/** The directory all of an agent's mailboxes lie in, without a final slash. */
export function worldOf(settings: AgentSettings): string {
  const { spool, home } = settings
  const root = spool ?? home
  return root.replace(/\/+$/, '')
}

/** An absolute path without a final slash, or why the mailbox cannot be used. */
export function mailboxPath(mailbox: string, settings: AgentSettings): Result<string, string> {
  if (mailbox.includes('\0')) return refused('a mailbox with a NUL in its name')
  const steps = mailbox.split('/').filter((step) => step !== '' && step !== '.')
  if (steps.includes('..')) return refused('a mailbox with ".." in its path')
  const root = worldOf(settings)
  const path = mailbox.startsWith('/') ? `/${steps.join('/')}` : [root, ...steps].join('/')
  if (path !== root && !path.startsWith(`${root}/`)) {
    return refused('a mailbox outside the directory of its owner')
  }
  return steps.length === 0 ? refused('no mailbox') : ok(path)
}
