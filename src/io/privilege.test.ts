import assert from 'node:assert/strict'
import { test } from 'node:test'
import { currentAccount, lookUpAccount, lookUpGroup, needAccounts } from './privilege.ts'

test('an account of this host is found with its uid, gid and home', async () => {
  const lookup = await lookUpAccount('root')
  assert.ok(lookup.kind === 'found')
  assert.deepEqual([lookup.value.name, lookup.value.uid, lookup.value.gid], ['root', 0, 0])
  assert.match(lookup.value.home, /^\//)
})

test('a name nobody has is unknown', async () => {
  assert.deepEqual(await lookUpAccount('no-such-account'), { kind: 'unknown' })
  assert.deepEqual(await lookUpGroup('no-such-group'), { kind: 'unknown' })
})

test('a uid in place of a name is not believed, though the database answers it', async () => {
  const lookup = await lookUpAccount('0')
  assert.notEqual(lookup.kind, 'found')
})

test('a group is found with its gid, and a missing account says how to make it', async () => {
  assert.deepEqual(await lookUpGroup('root'), { kind: 'found', value: 0 })
  await assert.rejects(needAccounts(['no-such-account']), /no-such-account: .*postern setup/)
})

test('the current account is the one this process runs as', () => {
  assert.equal(currentAccount().uid, process.getuid?.())
})
