import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LauncherSettings } from '../../contracts/settings.ts'
import { Accounts } from '../../io/accounts.ts'
import type { Account, Lookup } from '../../io/privilege.ts'
import type { Planner } from './agents.ts'
import { planAgent } from './agents.ts'

const joe: Account = { name: 'joe', uid: 1_000, gid: 1_001, home: '/home/joe' }
const vmail: Account = { name: 'vmail', uid: 150, gid: 151, home: '/nonexistent' }
const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root' }
const ACCOUNTS: Readonly<Record<string, Lookup<Account>>> = {
  joe: { kind: 'found', value: joe },
  vmail: { kind: 'found', value: vmail },
  root: { kind: 'found', value: root },
  hung: { kind: 'unsure', because: 'no answer' },
}

const settings: LauncherSettings = {
  hostname: 'mail.example.org',
  mailboxGroups: {
    'shop.example': { root: '/srv/mail/shop/', user: 'vmail' },
    'bad.example': { root: '/srv/mail/bad/', user: 'root' },
    'gone.example': { root: '/srv/mail/gone/', user: 'nobody-there' },
  },
  systemAccounts: [],
  spool: '/var/mail',
  agents: 10,
  log: { to: { kind: 'stderr' }, format: 'text', keepEvents: 0 },
}

function planner(change: Partial<Planner> = {}): Planner {
  const accounts = new Accounts({
    lookUp: (name) => Promise.resolve(ACCOUNTS[name] ?? { kind: 'unknown' }),
    checkHome: (account) => Promise.resolve({ kind: 'found', account }),
    now: () => 0,
    hasDirectoryService: false,
  })
  return { release: 'r1', settings, accounts, mailGid: 8, onlyAccount: undefined, ...change }
}

const told = { release: 'r1', hostname: 'mail.example.org' }

test('the agent of an account runs as its owner and works in the home', async () => {
  const agent = { kind: 'account', name: 'joe' } as const
  assert.deepEqual(await planAgent(agent, planner()), {
    kind: 'plan',
    agent,
    identity: { uid: 1_000, gid: 1_001 },
    settings: { ...told, home: '/home/joe' },
    directory: '/home/joe',
  })
})

test('the agent for the mail spool has group mail and may touch the spool alone', async () => {
  const agent = { kind: 'spool', name: 'joe' } as const
  assert.deepEqual(await planAgent(agent, planner()), {
    kind: 'plan',
    agent,
    identity: { uid: 1_000, gid: 8 },
    settings: { ...told, home: '/home/joe', spool: '/var/mail' },
    directory: '/var/mail',
  })
})

test('virtual mailboxes belong to the account the settings name, a system account too', async () => {
  const agent = { kind: 'mailboxes', name: 'shop.example' } as const
  assert.deepEqual(await planAgent(agent, planner()), {
    kind: 'plan',
    agent,
    identity: { uid: 150, gid: 151 },
    settings: { ...told, home: '/srv/mail/shop/' },
    directory: '/srv/mail/shop/',
  })
})

const REFUSED = [
  [{ kind: 'account', name: 'eve' }, '5.1.1', 'nobody has this name'],
  [{ kind: 'account', name: 'root' }, '5.1.1', 'root never has mail'],
  [{ kind: 'spool', name: 'root' }, '5.1.1', 'nor in the spool'],
  [{ kind: 'account', name: 'vmail' }, '5.1.1', 'a system account that is not listed'],
  [{ kind: 'account', name: 'hung' }, '4.3.0', 'the database does not answer'],
  [{ kind: 'mailboxes', name: 'other.example' }, '4.3.5', 'not in the settings'],
  [{ kind: 'mailboxes', name: 'constructor' }, '4.3.5', 'a name every object has'],
  [{ kind: 'mailboxes', name: 'bad.example' }, '4.3.5', 'root may not own mailboxes'],
  [{ kind: 'mailboxes', name: 'gone.example' }, '4.3.5', 'the administrator’s mistake'],
] as const
for (const [agent, status, why] of REFUSED) {
  test(`${agent.kind} ${agent.name} is ${status}: ${why}`, async () => {
    const answer = await planAgent(agent, planner())
    assert.ok(answer.kind !== 'plan')
    assert.equal(answer.status, status)
    assert.equal(answer.kind, status.startsWith('5') ? 'failed' : 'deferred')
  })
}

test('without a spool in the settings, or a group for it, its mail waits', async () => {
  const agent = { kind: 'spool', name: 'joe' } as const
  const { spool: _, ...spoolless } = settings
  for (const change of [{ settings: spoolless }, { mailGid: undefined }]) {
    const answer = await planAgent(agent, planner(change))
    assert.ok(answer.kind === 'deferred')
    assert.equal(answer.status, '4.3.5')
  }
})

test('where everything runs as one user, that one has agents, under no other uid', async () => {
  const alone = planner({ onlyAccount: joe })
  const own = await planAgent({ kind: 'account', name: 'joe' }, alone)
  assert.ok(own.kind === 'plan')
  assert.equal(own.identity, undefined)
  const groups = { 'shop.example': { root: '/tmp/mail/', user: 'joe' } }
  const virtual = planner({ onlyAccount: joe, settings: { ...settings, mailboxGroups: groups } })
  const mailboxes = await planAgent({ kind: 'mailboxes', name: 'shop.example' }, virtual)
  assert.ok(mailboxes.kind === 'plan')
  assert.equal(mailboxes.directory, '/tmp/mail/')
})

test('where everything runs as one user, mail for others waits with an explanation', async () => {
  const alone = planner({ onlyAccount: joe })
  const answer = await planAgent({ kind: 'mailboxes', name: 'shop.example' }, alone)
  assert.deepEqual(answer, {
    kind: 'deferred',
    status: '4.3.5',
    text: 'everything runs as joe, who cannot deliver to vmail',
  })
  const unknown = await planAgent({ kind: 'account', name: 'eve' }, alone)
  assert.equal(unknown.kind, 'failed')
})
