import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeDns } from '../../../test/support/fake-dns.ts'
import type { Lookup } from '../../io/dns.ts'
import { ownAddresses } from '../../protocol/dns/own-address.ts'
import type { Plan, Problem } from './attempt.ts'
import {
  chooseCandidates,
  literalAddress,
  MOST_ADDRESSES_OF_HOST,
  MOST_CANDIDATES,
  outcomeOfProblems,
  planFromMx,
  planWithoutMx,
} from './attempt.ts'

const own = ownAddresses([], 'us.test')
const found = (...records: readonly string[]): Lookup<string> =>
  records.length === 0
    ? { kind: 'nothing', missing: 'record', ttlSeconds: 1 }
    : { kind: 'found', records, canonicalName: 'x', ttlSeconds: 1 }

function planOf(...names: readonly string[]): Plan {
  return {
    kind: 'plan',
    source: 'mx',
    destination: 'x.test',
    site: 'x',
    ttlSeconds: 1,
    hosts: names.map((name, preference) => ({ name, preference })),
    port: 25,
  }
}

for (const [name, expected] of [
  ['[192.0.2.1]', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['[IPv6:2001:db8::1]', '2001:db8:0:0:0:0:0:1'],
  ['[2001:db8::1]', '2001:db8:0:0:0:0:0:1'],
  ['2001:db8::1', '2001:db8:0:0:0:0:0:1'],
  ['x.test', undefined],
  ['[x]', undefined],
] as const) {
  test(`${name} stands for ${expected ?? 'a name'}`, () => {
    assert.equal(literalAddress(name), expected)
  })
}

test('an MX plan names its site by its hosts, and its time to live by the record', async () => {
  const dns = fakeDns({
    'x.test': {
      mx: [
        [20, 'b.test'],
        [10, 'c.test'],
      ],
    },
  })
  const plan = planFromMx('x.test', await dns.lookUp('x.test', 'MX'), () => 0)
  assert.equal(plan.kind === 'plan' && plan.site, 'b.test,c.test')
  assert.equal(plan.kind === 'plan' && plan.ttlSeconds, 60)
})

test('a route is its own site, by host and port', () => {
  const plan = planWithoutMx({ kind: 'host', host: 'Hub.test', port: 26 })
  assert.equal(plan?.site, 'hub.test:26')
  assert.equal(planWithoutMx({ kind: 'mx', domain: 'x.test' }), undefined)
})

test('IPv6 and IPv4 addresses take turns, and hosts keep their order', () => {
  const choice = chooseCandidates(
    planOf('a.test', 'b.test'),
    [
      { name: 'a.test', preference: 0, six: found('::a', '::b'), four: found('10.0.0.1') },
      { name: 'b.test', preference: 1, six: found(), four: found('10.0.0.2') },
    ],
    own,
  )
  assert.deepEqual(
    choice.kind === 'candidates' && choice.candidates.map(({ address }) => address),
    ['::a', '10.0.0.1', '::b', '10.0.0.2'],
  )
})

test('addresses of one host, and candidates in all, are bounded', () => {
  const many = found(...Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`))
  const names = Array.from({ length: 10 }, (_, at) => `h${at}.test`)
  const resolved = names.map((name, preference) => ({ name, preference, six: found(), four: many }))
  const choice = chooseCandidates(planOf(...names), resolved, own)
  const candidates = choice.kind === 'candidates' ? choice.candidates : []
  assert.equal(candidates.length, MOST_CANDIDATES)
  const first = candidates.filter(({ name }) => name === 'h0.test')
  assert.equal(first.length, MOST_ADDRESSES_OF_HOST)
})

test('nothing permanent is said while one of the hosts cannot be looked up', () => {
  const unsure: Lookup<string> = { kind: 'temporary', because: 'SERVFAIL' }
  const choice = chooseCandidates(
    planOf('a.test', 'us.test'),
    [
      { name: 'a.test', preference: 0, six: unsure, four: unsure },
      { name: 'us.test', preference: 1, six: found(), four: found('10.0.0.1') },
    ],
    own,
  )
  assert.equal(choice.kind === 'no hope' && choice.outcome.status, '4.4.3')
})

test('the outcome of a vain search names what was tried, and stays within its limit', () => {
  const candidate = { name: 'a.test', address: '10.0.0.1', port: 25, preference: 0 }
  const problems: readonly Problem[] = Array.from({ length: 50 }, () => ({
    candidate,
    connected: false,
    why: 'connection refused',
  }))
  const outcome = outcomeOfProblems('x.test', problems)
  assert.equal(outcome.unreachable, true)
  assert.equal(outcome.text.length, 1_000)
  const talked = outcomeOfProblems('x.test', [
    { candidate, connected: true, why: 'busy', reply: '421 busy' },
    ...problems,
  ])
  assert.deepEqual(
    [talked.status, talked.reply, talked.unreachable],
    ['4.3.2', '421 busy', undefined],
  )
})
