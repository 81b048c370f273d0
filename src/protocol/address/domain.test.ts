import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatAddressLiteral, isDomain, parseAddressLiteral } from './domain.ts'

test('domains by their form', () => {
  const cases: readonly (readonly [string, boolean, string])[] = [
    ['example.org', true, 'a name'],
    ['localhost', true, 'one label is a name'],
    ['a_b.example', true, 'underscores exist'],
    ['bücher.example', true, 'a U-label'],
    ['1and1.com', true, 'digits may come first'],
    ['x'.repeat(63), true, 'the longest label'],
    ['x'.repeat(64), false, 'a label too long'],
    ['', false, 'nothing'],
    ['a..b', false, 'an empty label'],
    ['a.', false, 'a final dot is no part of an SMTP domain'],
    ['-a.b', false, 'a hyphen first'],
    ['a-.b', false, 'a hyphen last'],
    ['a b', false, 'a space'],
    ['[1.2.3.4]', false, 'a literal is no name'],
    ['a\u0085b', false, 'a control character'],
  ]
  for (const [text, is, why] of cases) assert.equal(isDomain(text), is, why)
})

test('address literals', () => {
  assert.deepEqual(parseAddressLiteral('[192.0.2.1]'), { family: 4, bytes: [192, 0, 2, 1] })
  assert.equal(parseAddressLiteral('[IPv6:2001:db8::1]')?.family, 6)
  assert.equal(parseAddressLiteral('[ipv6:::1]')?.family, 6)
  for (const text of [
    '[1.2.3]',
    '[::1]',
    '[IPv6:1.2.3.4]',
    '1.2.3.4',
    '[IPv6:::1',
    '[]',
    '[x:y]',
  ]) {
    assert.equal(parseAddressLiteral(text), undefined, text)
  }
})

test('a formatted literal is read back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      assert.notEqual(parseAddressLiteral(formatAddressLiteral(address)), undefined)
    }),
  )
})

test('judging a domain takes time in proportion to its length', () => {
  assert.equal(isDomain(`${'a-'.repeat(200_000)}!`), false)
})
