import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Trace } from './received.ts'
import { formatReceived } from './received.ts'

const trace: Trace = {
  helo: 'client.example',
  client: '192.0.2.1',
  hostname: 'mail.example.org',
  protocol: 'ESMTP',
  queueId: 'KQ4X9',
  recipients: ['joe@example.org'],
  at: Date.parse('2026-11-22T18:30:00Z'),
  zoneMinutes: 60,
}

test('one recipient is named', () => {
  assert.equal(
    formatReceived(trace),
    'Received: from client.example ([192.0.2.1])\n' +
      '\tby mail.example.org with ESMTP id KQ4X9\n' +
      '\tfor <joe@example.org>; Sun, 22 Nov 2026 19:30:00 +0100\n',
  )
})

test('several recipients are not, since they must not learn of each other', () => {
  const recipients = ['joe@example.org', 'mary@example.org']
  const lines = formatReceived({ ...trace, recipients, client: '2001:db8::1' }).split('\n')
  assert.equal(lines[0], 'Received: from client.example ([IPv6:2001:db8::1])')
  assert.equal(
    lines[1],
    '\tby mail.example.org with ESMTP id KQ4X9; Sun, 22 Nov 2026 19:30:00 +0100',
  )
  assert.equal(lines.length, 3)
})

test('whatever a client calls itself, the field has three lines and one comment', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (helo) => {
      const field = formatReceived({ ...trace, helo })
      assert.match(
        field,
        /^Received: from [!-'*-~]* \(\[[0-9.]+\]\)\n\tby [^\n;]*\n\tfor [^\n]*\n$/,
      )
    }),
  )
})
