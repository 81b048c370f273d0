import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeDns } from './fake-dns.ts'

test('a fake DNS tells found, missing record, missing name and failure apart', async () => {
  const dns = fakeDns({ 'a.test': { mx: [[10, 'b.test']] }, 'bad.test': 'fails' })
  assert.equal((await dns.lookUp('a.test', 'MX')).kind, 'found')
  assert.deepEqual(await dns.lookUp('a.test', 'A'), {
    kind: 'nothing',
    missing: 'record',
    ttlSeconds: 60,
  })
  assert.deepEqual(await dns.lookUp('c.test', 'A'), {
    kind: 'nothing',
    missing: 'name',
    ttlSeconds: 60,
  })
  assert.equal((await dns.lookUp('bad.test', 'AAAA')).kind, 'temporary')
  assert.deepEqual(dns.asked, ['MX a.test', 'A a.test', 'A c.test', 'AAAA bad.test'])
})
