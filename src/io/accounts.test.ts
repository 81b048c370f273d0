import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountWorld, Verdict } from './accounts.ts'
import { Accounts, checkHome } from './accounts.ts'
import type { Account, Lookup } from './privilege.ts'
import { currentAccount } from './privilege.ts'

const joe: Account = { name: 'joe', uid: 1_000, gid: 1_000, home: '/home/joe' }
const rule = { systemAccounts: [], home: true }

interface Fake extends AccountWorld {
  now: () => number
  answers: Record<string, Lookup<Account>>
  home: Verdict | undefined
  asked: string[]
}

function fake(answers: Record<string, Lookup<Account>>, hasDirectoryService = false): Fake {
  const world: Fake = {
    answers,
    home: undefined,
    asked: [],
    now: () => 0,
    hasDirectoryService,
    lookUp: (name) => {
      world.asked.push(name)
      return Promise.resolve(world.answers[name] ?? { kind: 'unknown' })
    },
    checkHome: (account) => Promise.resolve(world.home ?? { kind: 'found', account }),
  }
  return world
}

function found(account: Partial<Account>): Lookup<Account> {
  return { kind: 'found', value: { ...joe, ...account } }
}

test('an ordinary account with a home may have mail', async () => {
  const verdict = await new Accounts(fake({ joe: found({}) })).recipient('joe', rule)
  assert.deepEqual(verdict, { kind: 'found', account: joe })
})

const REFUSED: readonly (readonly [string, Partial<Account>, string])[] = [
  ['root', { name: 'root', uid: 0 }, 'never'],
  ['toor', { name: 'toor', uid: 0 }, 'never'],
  ['postern-queue', { name: 'postern-queue', uid: 5_000 }, 'never'],
  ['daemon', { name: 'daemon', uid: 1 }, 'system account'],
  ['nobody', { name: 'nobody', uid: 65_534, home: '/nonexistent' }, 'no home'],
]
for (const [name, account, because] of REFUSED) {
  test(`${name} never has mail: ${because}`, async () => {
    const verdict = await new Accounts(fake({ [name]: found(account) })).recipient(name, rule)
    assert.equal(verdict.kind, 'unknown')
    assert.match(verdict.kind === 'unknown' ? verdict.because : '', new RegExp(because))
  })
}

test('a system account has mail when it is listed; root does not even then', async () => {
  const daemon = found({ name: 'daemon', uid: 1 })
  const accounts = new Accounts(fake({ daemon, root: found({ name: 'root', uid: 0 }) }))
  const listed = { systemAccounts: ['daemon', 'root'], home: true }
  assert.equal((await accounts.recipient('daemon', listed)).kind, 'found')
  assert.equal((await accounts.recipient('root', listed)).kind, 'unknown')
})

test('a name outside the account grammar is never asked for', async () => {
  const world = fake({})
  const accounts = new Accounts(world)
  for (const name of ['0', '+0', 'JOE', 'joe:x', '../joe', '', 'a'.repeat(33), '-joe']) {
    assert.equal((await accounts.recipient(name, rule)).kind, 'unknown')
  }
  assert.deepEqual(world.asked, [])
})

test('a database that cannot tell, and a home that cannot be seen, leave it open', async () => {
  const silent = new Accounts(fake({ joe: { kind: 'unsure', because: 'no answer' } }))
  assert.equal((await silent.recipient('joe', rule)).kind, 'unsure')
  const world = fake({ joe: found({}) })
  world.home = { kind: 'unsure', because: 'it hangs' }
  const hung = new Accounts(world)
  assert.equal((await hung.recipient('joe', rule)).kind, 'unsure')
  assert.equal((await hung.recipient('joe', { ...rule, home: false })).kind, 'found')
})

test('a found account is remembered for a minute, an unknown one for ten seconds, unsure never', async () => {
  const world = fake({ joe: found({}), ann: { kind: 'unsure', because: 'no answer' } })
  const accounts = new Accounts(world)
  const askAll = async (now: number) => {
    world.now = () => now
    world.asked = []
    for (const name of ['joe', 'ann', 'eve']) await accounts.recipient(name, rule)
    return world.asked
  }
  assert.deepEqual(await askAll(0), ['joe', 'ann', 'eve'])
  assert.deepEqual(await askAll(9_999), ['ann'])
  assert.deepEqual(await askAll(10_000), ['ann', 'eve'])
  assert.deepEqual(await askAll(60_000), ['joe', 'ann', 'eve'])
})

test('where a directory service is asked, an account that vanishes is unsure for a day', async () => {
  const world = fake({ joe: found({}) }, true)
  const accounts = new Accounts(world)
  assert.equal((await accounts.recipient('joe', rule)).kind, 'found')
  world.answers = {}
  world.now = () => 3_600_000
  assert.equal((await accounts.recipient('joe', rule)).kind, 'unsure')
  assert.equal((await accounts.recipient('eve', rule)).kind, 'unknown')
  world.now = () => 86_400_000
  assert.equal((await accounts.recipient('joe', rule)).kind, 'unknown')
})

test('the host’s own files are believed at once', async () => {
  const world = fake({ joe: found({}) })
  const accounts = new Accounts(world)
  await accounts.recipient('joe', rule)
  world.answers = {}
  world.now = () => 3_600_000
  assert.equal((await accounts.recipient('joe', rule)).kind, 'unknown')
})

test('at most two look-ups run at once, one for a name, and a crowd is told to come again', async () => {
  const open: (() => void)[] = []
  const names: string[] = []
  const accounts = new Accounts({
    ...fake({}),
    lookUp: (name) => {
      names.push(name)
      return new Promise((resolve) => open.push(() => resolve(found({ name }))))
    },
  })
  const verdicts = Array.from({ length: 300 }, (_, n) => accounts.owner(`user${n % 250}`))
  let most = 0
  const crowd = Promise.all(verdicts)
  for (let turn = 0; turn < 400; turn += 1) {
    most = Math.max(most, open.length)
    open.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const kinds = (await crowd).map((verdict) => verdict.kind)
  assert.equal(most, 2)
  assert.equal(new Set(names).size, names.length)
  assert.equal(kinds.filter((kind) => kind === 'found').length >= 202, true)
  assert.equal(kinds.includes('unsure'), true)
})

test('a home is seen; one that is missing is unsure, and one of another user is none', async () => {
  const me = { ...currentAccount(), home: import.meta.dirname }
  const owned = await checkHome(me, false)
  assert.ok(owned.kind === 'found' || /another user/.test(owned.because))
  assert.equal((await checkHome({ ...me, home: '/nonexistent/joe' }, false)).kind, 'unsure')
  assert.equal((await checkHome({ ...me, home: '/etc/passwd' }, false)).kind, 'unsure')
  const others = await checkHome({ ...me, uid: me.uid + 1, home: '/' }, false)
  assert.ok(others.kind === 'unknown')
})
