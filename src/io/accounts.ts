/**
 * Who may have mail on this host.
 *
 * Root, Postern's own accounts, and system accounts that are not listed never do. An account needs a home that
 * is there and its own, unless mail lies in the spool; a home that cannot be seen is "unsure".
 *
 * "Unknown" from a directory service that is down looks like "unknown". So where the host asks more than
 * its own files, a name that was there within the last day is "unsure" when it vanishes.
 */

import { ACCOUNT_PATTERN } from '../contracts/account.ts'
import { POSTERN_USERS } from '../contracts/programs.ts'
import { runCommand } from './child.ts'
import type { Account, Lookup } from './privilege.ts'
import { lookUpAccount } from './privilege.ts'

export type Verdict =
  | { readonly kind: 'found'; readonly account: Account }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'unsure'; readonly because: string }

export interface AccountWorld {
  readonly lookUp: (name: string) => Promise<Lookup<Account>>
  readonly checkHome: (account: Account) => Promise<Verdict>
  readonly now: () => number
  /** Whether the account database is more than the host's own files. */
  readonly hasDirectoryService: boolean
}

const FOUND_FOR = 60_000
const UNKNOWN_FOR = 10_000
const VANISHES_AFTER = 86_400_000
const MOST_REMEMBERED = 10_000
const MOST_AT_ONCE = 2
const MOST_WAITING = 200
const FIRST_ORDINARY_UID = 1_000
/** Homes of accounts that have none. */
const NO_HOME: readonly string[] = ['/', '/nonexistent', '/dev/null', '/var/empty']

export class Accounts {
  readonly #world: AccountWorld
  readonly #answers = new Map<string, { readonly verdict: Verdict; readonly until: number }>()
  readonly #seen = new Map<string, number>()
  readonly #asking = new Map<string, Promise<Verdict>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(world: AccountWorld) {
    this.#world = world
  }

  /** The account as the database has it, to own virtual mailboxes: never root, never one of ours. */
  owner(name: string): Promise<Verdict> {
    return this.#ask(name)
  }

  /** The account, if it may have mail. Without `home`, that is not looked at. */
  async recipient(
    name: string,
    rule: { readonly systemAccounts: readonly string[]; readonly home: boolean },
  ): Promise<Verdict> {
    const verdict = await this.#ask(name)
    if (verdict.kind !== 'found') return verdict
    const { account } = verdict
    if (account.uid < FIRST_ORDINARY_UID && !rule.systemAccounts.includes(name)) {
      return { kind: 'unknown', because: 'a system account' }
    }
    if (!rule.home) return verdict
    if (NO_HOME.includes(account.home)) return { kind: 'unknown', because: 'it has no home' }
    return this.#remembered(`home ${name}`, () => this.#world.checkHome(account))
  }

  #ask(name: string): Promise<Verdict> {
    if (!ACCOUNT_PATTERN.test(name)) {
      return Promise.resolve({ kind: 'unknown', because: 'not an account name' })
    }
    return this.#remembered(name, async () => this.#judge(name, await this.#world.lookUp(name)))
  }

  #judge(name: string, lookup: Lookup<Account>): Verdict {
    if (lookup.kind === 'unsure') return lookup
    if (lookup.kind === 'unknown') {
      const seen = this.#seen.get(name) ?? Number.NEGATIVE_INFINITY
      return this.#world.hasDirectoryService && this.#world.now() - seen < VANISHES_AFTER
        ? { kind: 'unsure', because: 'it was there within the last day' }
        : { kind: 'unknown', because: 'no such account' }
    }
    if (lookup.value.uid === 0 || POSTERN_USERS.includes(name)) {
      return { kind: 'unknown', because: 'an account that never has mail' }
    }
    remember(this.#seen, name, this.#world.now())
    return { kind: 'found', account: lookup.value }
  }

  /** One question about the same thing at a time; what is unsure is not remembered. */
  #remembered(key: string, ask: () => Promise<Verdict>): Promise<Verdict> {
    const known = this.#answers.get(key)
    if (known !== undefined && known.until > this.#world.now())
      return Promise.resolve(known.verdict)
    const asked = this.#asking.get(key)
    if (asked !== undefined) return asked
    const asking = this.#inTurn(ask).then((verdict) => {
      this.#asking.delete(key)
      const lasts = verdict.kind === 'found' ? FOUND_FOR : UNKNOWN_FOR
      const until = this.#world.now() + lasts
      if (verdict.kind !== 'unsure') remember(this.#answers, key, { verdict, until })
      return verdict
    })
    this.#asking.set(key, asking)
    return asking
  }

  async #inTurn(ask: () => Promise<Verdict>): Promise<Verdict> {
    if (this.#running >= MOST_AT_ONCE) {
      if (this.#waiting.length >= MOST_WAITING) {
        return { kind: 'unsure', because: 'too many accounts are being looked up' }
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running += 1
    try {
      return await ask()
    } finally {
      // Whoever waits takes over the turn.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

/** Asks the host's own database. `separated`: homes are looked at as their owner. */
export async function openAccounts(separated: boolean): Promise<Accounts> {
  return new Accounts({
    lookUp: lookUpAccount,
    checkHome: (account) => checkHome(account, separated),
    now: () => performance.now(),
    hasDirectoryService: await findDirectoryService(),
  })
}

function remember<Value>(memory: Map<string, Value>, key: string, value: Value): void {
  memory.delete(key)
  memory.set(key, value)
  const oldest = memory.keys().next().value
  if (memory.size > MOST_REMEMBERED && oldest !== undefined) memory.delete(oldest)
}

/** Looks as the account itself, in a process of its own: a network file system may hang or refuse. */
export async function checkHome(account: Account, asOwner: boolean): Promise<Verdict> {
  const { uid, gid, home } = account
  const answer = await runCommand({
    file: 'ls',
    args: ['-dLn', '--', home],
    identity: asOwner ? { uid, gid } : undefined,
    longestAnswer: 16_384,
    limitSeconds: 5,
  })
  const [mode, , owner] = answer.output.toString().split(/ +/, 3)
  if (answer.code !== 0 || mode?.[0] !== 'd') {
    return { kind: 'unsure', because: `its home: ${answer.errors.trim() || 'no directory'}` }
  }
  if (owner !== String(uid)) return { kind: 'unknown', because: 'its home belongs to another user' }
  return { kind: 'found', account }
}

/** True unless the account database is known to be this host's files alone. */
export async function findDirectoryService(): Promise<boolean> {
  const answer = await runCommand({
    file: 'cat',
    args: ['/etc/nsswitch.conf'],
    longestAnswer: 65_536,
    limitSeconds: 5,
  })
  const services = /^passwd:(.*)$/m.exec(answer.output.toString())?.[1]?.trim().split(/\s+/)
  return services?.every((service) => service === 'files' || service === 'systemd') !== true
}
