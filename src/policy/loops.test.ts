import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasVisited, loopOutcome } from './loops.ts'

const cases: readonly (readonly [string, string, boolean, string])[] = [
  ['joe@example.org', 'joe@example.org', true, 'the same'],
  ['joe@EXAMPLE.org', 'joe@example.org', true, 'hosts on the way may change the case of a domain'],
  ['Joe@example.org', 'joe@example.org', false, 'two mailboxes may differ in case only'],
  ['joe@example.com', 'joe@example.org', false, 'another domain'],
  ['"a@b"@example.org', '"a@b"@example.org', true, 'the last @ counts'],
  ['joe', 'joe', true, 'no domain at all'],
  ['a_b@x', 'a\nb@x', true, 'compared as it is written'],
]

for (const [visited, address, expected, why] of cases) {
  test(`${JSON.stringify(address)} ${expected ? 'has' : 'has not'} been visited: ${why}`, () => {
    assert.equal(hasVisited([visited], address), expected)
  })
}

test('LP-1: a loop is a permanent failure that names the mailbox', () => {
  assert.equal(loopOutcome('joe@x').status, '5.4.6')
  assert.equal(hasVisited([], 'joe@x'), false)
})
