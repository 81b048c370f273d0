/**
 * The account database, asked through `getent`, so that every directory service of the host counts.
 *
 * The answer must bear the name that was asked, because a directory may take `0` or `JOE` for somebody.
 * "Unknown" is said only where getent says so (its exit code 2); everything else is "unsure".
 */

import { userInfo } from 'node:os'
import { CannotStart, EXIT } from './cannot-start.ts'
import type { CommandAnswer, Identity } from './child.ts'
import { runCommand } from './child.ts'

export interface Account extends Identity {
  readonly name: string
  readonly home: string
}

export type Lookup<Found> =
  | { readonly kind: 'found'; readonly value: Found }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unsure'; readonly because: string }

const LIMIT_SECONDS = 5
const LONGEST_ENTRY = 65_536
const UNKNOWN_NAME = 2
const LARGEST_ID = 0xffff_fffe

export async function lookUpAccount(name: string): Promise<Lookup<Account>> {
  return read(await ask('passwd', name), (fields) => accountOf(fields, name))
}

/** Answers the group's gid. */
export async function lookUpGroup(name: string): Promise<Lookup<number>> {
  return read(await ask('group', name), (fields) =>
    fields[0] === name ? idOf(fields[2]) : undefined,
  )
}

/** The accounts without which Postern cannot start, by name. */
export async function needAccounts(
  names: readonly string[],
): Promise<ReadonlyMap<string, Identity>> {
  const identities = new Map<string, Identity>()
  for (const name of names) {
    const { uid, gid } = need(name, await lookUpAccount(name))
    identities.set(name, { uid, gid })
  }
  return identities
}

export async function needGroup(name: string): Promise<number> {
  return need(name, await lookUpGroup(name))
}

/** Who this process runs as. */
export function currentAccount(): Account {
  const { username, uid, gid, homedir } = userInfo()
  return { name: username, uid, gid, home: homedir }
}

function need<Found>(name: string, lookup: Lookup<Found>): Found {
  if (lookup.kind === 'found') return lookup.value
  const why = lookup.kind === 'unknown' ? 'there is no such account or group' : lookup.because
  throw new CannotStart(`${name}: ${why}; "postern setup" makes it`, EXIT.configuration)
}

function ask(database: 'passwd' | 'group', name: string): Promise<CommandAnswer> {
  return runCommand({
    file: 'getent',
    args: [database, name],
    longestAnswer: LONGEST_ENTRY,
    limitSeconds: LIMIT_SECONDS,
  })
}

function read<Found>(
  answer: CommandAnswer,
  parse: (fields: readonly string[]) => Found | undefined,
): Lookup<Found> {
  if (answer.code === UNKNOWN_NAME) return { kind: 'unknown' }
  if (answer.code !== 0) return { kind: 'unsure', because: `getent: ${answer.errors || 'failed'}` }
  const line = answer.output.toString().split('\n')[0] ?? ''
  const value = parse(line.split(':'))
  return value === undefined
    ? { kind: 'unsure', because: 'getent gave an answer to another question' }
    : { kind: 'found', value }
}

function accountOf(fields: readonly string[], asked: string): Account | undefined {
  const [name, , uidText, gidText, , home] = fields
  const uid = idOf(uidText)
  const gid = idOf(gidText)
  if (name !== asked || uid === undefined || gid === undefined) return undefined
  return home?.startsWith('/') ? { name, uid, gid, home } : undefined
}

function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id <= LARGEST_ID ? id : undefined
}
