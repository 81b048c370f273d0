import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatFromLine } from './from-line.ts'

const AT = Date.UTC(2026, 10, 5, 8, 5, 9)

test('MB-4: the null sender is MAILER-DAEMON, and the date has 24 characters', () => {
  assert.equal(formatFromLine('', AT), 'From MAILER-DAEMON Thu Nov 05 08:05:09 2026\n')
})

test('LOC-20: the sender is one word', () => {
  assert.equal(formatFromLine('"a b"@c.d', AT), 'From a-b@c.d Thu Nov 05 08:05:09 2026\n')
  assert.equal(formatFromLine('"a\tb\nc"@d', AT), 'From a-b-c@d Thu Nov 05 08:05:09 2026\n')
})
