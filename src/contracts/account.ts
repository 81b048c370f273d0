/**
 * Queue → launcher: who has this account, and a connection to an agent that runs as its owner.
 *
 * The queue names an account or an entry of the configuration, never a uid, a path or a program.
 * An agent's connection does not travel on this one: the launcher gives it to the supervisor and
 * that to the queue (supervision.ts), marked with the `token` of the request.
 *
 * Closing that connection tells an agent to leave. One that has been stopped does not hear it; so the
 * queue names each agent it has let go, and the launcher ends the process if it has to.
 */

import { ok, refused } from '../protocol/result.ts'
import type { PermanentStatus, TemporaryStatus } from './outcome.ts'
import { permanentStatus, temporaryStatus } from './outcome.ts'
import type { Shape } from './shape.ts'
import { integer, record, text, union } from './shape.ts'

/**
 * The account grammar: what may be asked of the account database at all. A name that begins with a
 * digit or `+` could be taken for a uid.
 *
 *     account = (lower / "_") *31(lower / digit / "_" / "-" / ".")
 */
export const ACCOUNT_PATTERN = /^[a-z_][a-z0-9_.-]{0,31}$/

export const accountName: Shape<string> = (input) =>
  typeof input === 'string' && ACCOUNT_PATTERN.test(input)
    ? ok(input)
    : refused('not an account name')

/**
 * account   the agent of an account of this host; works in its home
 * spool     uid the account's, gid mail, for its one mailbox in the mail spool
 * mailboxes the agent of a group of virtual mailboxes; `name` is the key in the settings
 */
export type AgentKind =
  | { readonly kind: 'account'; readonly name: string }
  | { readonly kind: 'spool'; readonly name: string }
  | { readonly kind: 'mailboxes'; readonly name: string }

export interface AccountQuestion {
  readonly type: 'account'
  readonly name: string
}
export interface AgentRequest {
  readonly type: 'agent'
  readonly agent: AgentKind
  readonly token: number
}
/** The queue has closed or lost the connection of this agent. Answered by `{}`. */
export interface AgentDismissal {
  readonly type: 'dismissed'
  readonly token: number
}
const token = integer(1, Number.MAX_SAFE_INTEGER)
export type LauncherRequest = AccountQuestion | AgentRequest | AgentDismissal
export const launcherRequest: Shape<LauncherRequest> = union('type', {
  account: record({ name: accountName }),
  agent: record({
    agent: union('kind', {
      account: record({ name: accountName }),
      spool: record({ name: accountName }),
      mailboxes: record({ name: text(300) }),
    }),
    token,
  }),
  dismissed: record({ token }),
})

export type AccountAnswer =
  | { readonly kind: 'found' }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'unsure'; readonly because: string }
export const accountAnswer: Shape<AccountAnswer> = union('kind', {
  found: record({}),
  unknown: record({ because: text(500) }),
  unsure: record({ because: text(500) }),
})

export type AgentAnswer =
  | { readonly kind: 'started' }
  | { readonly kind: 'deferred'; readonly status: TemporaryStatus; readonly text: string }
  | { readonly kind: 'failed'; readonly status: PermanentStatus; readonly text: string }
export const agentAnswer: Shape<AgentAnswer> = union('kind', {
  started: record({}),
  deferred: record({ status: temporaryStatus, text: text(500) }),
  failed: record({ status: permanentStatus, text: text(500) }),
})
