import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOST_MX_HOSTS, orderMxHosts, siteOf } from './mx.ts'

/** Answers the numbers in turn. */
function chances(...numbers: readonly number[]): () => number {
  let at = 0
  return () => numbers[at++ % numbers.length] ?? 0
}
const mx = (preference: number, exchange: string) => ({ preference, exchange })

test('the lowest preference comes first', () => {
  const hosts = orderMxHosts([mx(20, 'b.test'), mx(10, 'A.test.')], () => 0)
  assert.deepEqual(hosts, [
    { preference: 10, name: 'a.test' },
    { preference: 20, name: 'b.test' },
  ])
})

test('chance orders hosts of equal preference, and only those', () => {
  const records = [mx(10, 'a.test'), mx(10, 'b.test'), mx(5, 'c.test')]
  const names = (random: () => number) => orderMxHosts(records, random).map((host) => host.name)
  assert.deepEqual(names(chances(0.1, 0.2, 0.9)), ['c.test', 'a.test', 'b.test'])
  assert.deepEqual(names(chances(0.2, 0.1, 0.9)), ['c.test', 'b.test', 'a.test'])
})

test('a host that is listed twice is tried once, at its lowest preference', () => {
  assert.deepEqual(
    orderMxHosts([mx(20, 'a.test'), mx(10, 'A.test')], () => 0),
    [{ preference: 10, name: 'a.test' }],
  )
})

test('names that are no host names are left out', () => {
  const strange = ['', '.', 'a b.test', 'a..test', '-a.test', 'ä.test', 'a\n.test', 'x'.repeat(300)]
  assert.deepEqual(
    orderMxHosts(
      strange.map((name) => mx(10, name)),
      () => 0,
    ),
    [],
  )
})

test('no more hosts are kept than will be tried', () => {
  const records = Array.from({ length: 500 }, (_, at) => mx(at, `h${at}.test`))
  assert.equal(orderMxHosts(records, () => 0).length, MOST_MX_HOSTS)
})

test('a site has one name, whatever the order of its hosts', () => {
  const hosts = orderMxHosts([mx(10, 'b.test'), mx(20, 'a.test')], () => 0)
  assert.equal(siteOf(hosts), 'a.test,b.test')
})
