/**
 * Which agent a request stands for, and starting it as the recipient.
 *
 * The decision is a plan: an identity, what the agent may touch, what it is told. The agent gets one
 * end of a socket pair and nothing else of ours; the other end goes to the supervisor, for the queue.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { AgentAnswer, AgentKind } from '../../contracts/account.ts'
import type { TemporaryStatus } from '../../contracts/outcome.ts'
import { PROGRAMS, permissionFlags } from '../../contracts/programs.ts'
import type { LauncherSettings, MailboxGroup } from '../../contracts/settings.ts'
import type { AgentSettings } from '../../contracts/supervision.ts'
import type { Accounts, Verdict } from '../../io/accounts.ts'
import type { Identity } from '../../io/child.ts'
import { bareEnvironment } from '../../io/child.ts'
import type { Account } from '../../io/privilege.ts'

export type Refusal = Exclude<AgentAnswer, { readonly kind: 'started' }>

export interface Plan {
  readonly kind: 'plan'
  readonly agent: AgentKind
  /** Absent where everything runs as one user. */
  readonly identity: Identity | undefined
  readonly settings: AgentSettings
  /** All the agent may touch. */
  readonly directory: string
}

export interface Planner {
  readonly release: string
  readonly settings: LauncherSettings
  readonly accounts: Accounts
  /** The group that owns the mail spool. */
  readonly mailGid: number | undefined
  /** Set unless every program has its own uid: the one account there can be agents for. */
  readonly onlyAccount: Account | undefined
}

/** The answer to "may this account have mail?" and to "as whom does this agent run?". */
export async function findOwner(agent: AgentKind, planner: Planner): Promise<Verdict> {
  const { accounts, onlyAccount, settings } = planner
  const virtual = agent.kind === 'mailboxes'
  const name = virtual ? groupOf(agent.name, settings)?.user : agent.name
  if (name === undefined) return { kind: 'unsure', because: 'there are no such mailboxes' }
  if (onlyAccount?.name === name) return { kind: 'found', account: onlyAccount }
  const rule = { systemAccounts: settings.systemAccounts, home: agent.kind === 'account' }
  const verdict = await (virtual ? accounts.owner(name) : accounts.recipient(name, rule))
  if (verdict.kind !== 'found' || onlyAccount === undefined) return verdict
  const because = `everything runs as ${onlyAccount.name}, who cannot deliver to ${name}`
  return { kind: 'unsure', because }
}

export async function planAgent(agent: AgentKind, planner: Planner): Promise<Plan | Refusal> {
  const { release, settings, onlyAccount, mailGid } = planner
  const owner = await findOwner(agent, planner)
  // An owner of virtual mailboxes that is not there is the administrator's mistake.
  if (owner.kind === 'unknown' && agent.kind !== 'mailboxes') {
    return { kind: 'failed', status: '5.1.1', text: owner.because }
  }
  const mistake = agent.kind === 'mailboxes' || onlyAccount !== undefined
  if (owner.kind !== 'found') return deferred(mistake ? '4.3.5' : '4.3.0', owner.because)
  const { uid, gid, home } = owner.account
  const { hostname, spool } = settings
  const root = groupOf(agent.name, settings)?.root
  const directory = { account: home, mailboxes: root, spool }[agent.kind]
  const group = agent.kind === 'spool' && onlyAccount === undefined ? mailGid : gid
  if (directory === undefined || group === undefined) {
    return deferred('4.3.5', 'there is no mail spool, or no group "mail"')
  }
  const identity = onlyAccount === undefined ? { uid, gid: group } : undefined
  const told = agent.kind === 'spool' ? { home, spool: directory } : { home: directory }
  return { kind: 'plan', agent, identity, settings: { release, hostname, ...told }, directory }
}

function groupOf(name: string, { mailboxGroups }: LauncherSettings): MailboxGroup | undefined {
  return Object.hasOwn(mailboxGroups, name) ? mailboxGroups[name] : undefined
}

export function deferred(status: TemporaryStatus, text: string): Refusal {
  return { kind: 'deferred', status, text: text.slice(0, 500) }
}

/** Starts the agent from the release in `code`. */
export function startAgent(plan: Plan, code: string): ChildProcess {
  const inside = [plan.directory, join(plan.directory, '*')]
  const row = PROGRAMS[plan.agent.kind]
  const flags = permissionFlags(row, { code, readable: inside, writable: inside })
  const args = [...flags, join(code, 'local.mjs'), JSON.stringify(plan.settings)]
  return spawn(process.execPath, args, {
    ...plan.identity,
    argv0: `postern: local ${plan.agent.name}`,
    cwd: '/',
    env: { ...bareEnvironment(), UV_THREADPOOL_SIZE: '8' },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
}
