import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDate } from './date.ts'

test('dates are written in the zone that is given', () => {
  const at = Date.parse('2026-11-22T23:05:09Z')
  assert.equal(formatDate(at, 0), 'Sun, 22 Nov 2026 23:05:09 +0000')
  assert.equal(formatDate(at, 60), 'Mon, 23 Nov 2026 00:05:09 +0100')
  assert.equal(formatDate(at, -570), 'Sun, 22 Nov 2026 13:35:09 -0930')
  assert.equal(formatDate(Date.parse('2027-01-02T03:04:05Z'), 0), 'Sat, 2 Jan 2027 03:04:05 +0000')
})

test('what is written names the same second, in every zone', () => {
  const seconds = fc.integer({ min: 0, max: 4_000_000_000 })
  fc.assert(
    fc.property(seconds, fc.integer({ min: -720, max: 840 }), (second, zone) => {
      assert.equal(Date.parse(formatDate(second * 1_000, zone)), second * 1_000)
    }),
  )
})
