import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOwnAddress, ownAddresses, withoutOurselves } from './own-address.ts'

const own = ownAddresses(['192.0.2.7', '2001:db8::7'], 'Mail.Example.org')
const host = (preference: number, name: string, ...addresses: readonly string[]) => ({
  preference,
  name,
  addresses,
})
const names = (...hosts: readonly ReturnType<typeof host>[]) =>
  withoutOurselves(hosts, own).map(({ name }) => name)

for (const [address, expected] of [
  ['192.0.2.7', true],
  ['2001:db8:0::7', true],
  ['::ffff:192.0.2.7', true],
  ['127.0.0.1', true],
  ['::1', true],
  ['0.0.0.0', true],
  ['::', true],
  ['127.0.0.2', false],
  ['192.0.2.8', false],
  ['nonsense', false],
] as const) {
  test(`${address} is ${expected ? '' : 'not '}ours`, () => {
    assert.equal(isOwnAddress(address, own), expected)
  })
}

test('without this host in the list, all stay', () => {
  assert.deepEqual(names(host(10, 'a', '192.0.2.1'), host(20, 'b', '192.0.2.2')), ['a', 'b'])
})

test('SMC-5: this host and all that are not preferred to it are dropped', () => {
  const hosts = [
    host(10, 'a', '192.0.2.1'),
    host(20, 'us', '192.0.2.9', '192.0.2.7'),
    host(20, 'b', '192.0.2.2'),
    host(30, 'c', '192.0.2.3'),
  ]
  assert.deepEqual(names(...hosts), ['a'])
})

test('SMC-4: where this host is the best, nothing is left', () => {
  assert.deepEqual(names(host(10, 'us', '192.0.2.7'), host(20, 'b', '192.0.2.2')), [])
})

test('a mail host of our own name is this host, whatever its address', () => {
  assert.deepEqual(names(host(10, 'mail.example.org', '198.51.100.1')), [])
})
