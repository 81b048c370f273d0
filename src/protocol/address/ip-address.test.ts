import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { isWithin, parseIpAddress, plainAddress } from './ip-address.ts'

test('addresses become their bytes', () => {
  assert.deepEqual(parseIpAddress('192.0.2.1'), { family: 4, bytes: [192, 0, 2, 1] })
  assert.deepEqual(parseIpAddress('::1')?.bytes, [...Array.from({ length: 15 }, () => 0), 1])
  assert.equal(parseIpAddress('::')?.bytes.length, 16)
  assert.deepEqual(parseIpAddress('2001:DB8::192.0.2.1')?.bytes.slice(-4), [192, 0, 2, 1])
})

test('an IPv4 address inside IPv6 is the IPv4 address', () => {
  assert.deepEqual(parseIpAddress('::ffff:192.0.2.1'), { family: 4, bytes: [192, 0, 2, 1] })
})

test('what is no address is refused', () => {
  const refused = ['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '1.2.3.4 ', '1:2', '1::2::3']
  const more = [
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '::1.2.3',
    '0.0.0.0::',
    'fe80::1%eth0',
    '[::1]',
  ]
  for (const text of [...refused, ...more]) assert.equal(parseIpAddress(text), undefined, text)
})

test('it agrees with Node about every text made of the pieces of addresses, zones aside', () => {
  const piece = fc.constantFrom('0', '1', '25', '255', '256', 'ff', 'abcd', '::', ':', '.')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join('')
      assert.equal(parseIpAddress(text) !== undefined, isIP(text) !== 0, text)
    }),
    { numRuns: 10_000 },
  )
})

test('a block holds the addresses that agree with it in its first bits', () => {
  const within = (address: string, block: string, prefix: number) => {
    const [one, other] = [parseIpAddress(address), parseIpAddress(block)]
    assert.ok(one && other)
    return isWithin(one, other, prefix)
  }
  assert.ok(within('10.255.0.1', '10.0.0.0', 8))
  assert.ok(!within('11.0.0.1', '10.0.0.0', 8))
  assert.ok(within('192.0.2.127', '192.0.2.0', 25))
  assert.ok(!within('192.0.2.128', '192.0.2.0', 25))
  assert.ok(within('2001:db8::1', '2001:db8::', 32))
  assert.ok(within('::1', '::', 0))
  assert.ok(!within('1.2.3.4', '::', 0))
})

test('an address as a socket tells it loses its zone, and IPv4 is written as IPv4', () => {
  const cases = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['', ''],
  ] as const
  for (const [told, plain] of cases) assert.equal(plainAddress(told), plain)
})
