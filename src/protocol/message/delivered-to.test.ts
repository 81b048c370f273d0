import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DELIVERED_TO_SCAN, formatDeliveredTo, scanDeliveredTo } from './delivered-to.ts'
import { formatReturnPath } from './return-path.ts'

function found(pieces: readonly Buffer[]): readonly string[] {
  return pieces.reduce(scanDeliveredTo, DELIVERED_TO_SCAN).found
}

test('what is written is found again', () => {
  const header = `Subject: x\n${formatDeliveredTo('joe@example.org')}${formatDeliveredTo('"a b"@x')}\n`
  assert.deepEqual(found([Buffer.from(header)]), ['joe@example.org', '"a b"@x'])
})

test('LP-4: a Delivered-To in the body is none', () => {
  assert.deepEqual(found([Buffer.from('Subject: x\n\nDelivered-To: joe@x\n')]), [])
  assert.deepEqual(found([Buffer.from('\nDelivered-To: joe@x\n')]), [])
})

test('line ends and controls in an address cannot make a second line', () => {
  assert.equal(formatDeliveredTo('a\nb\r\0@x'), 'Delivered-To: a_b__@x\n')
  assert.equal(formatReturnPath('"a\nb"@x'), 'Return-Path: <"a_b"@x>\n')
})

test('LOC-20: Return-Path is quoted where its local part needs it, and empty for the null sender', () => {
  assert.equal(formatReturnPath('"a b"@c.d'), 'Return-Path: <"a b"@c.d>\n')
  assert.equal(formatReturnPath('joe@c.d'), 'Return-Path: <joe@c.d>\n')
  assert.equal(formatReturnPath(''), 'Return-Path: <>\n')
})

test('a header without end is looked at for a megabyte, in bounded memory', () => {
  let scan = DELIVERED_TO_SCAN
  for (let n = 0; n < 100; n += 1) scan = scanDeliveredTo(scan, Buffer.alloc(65_536, 'x'))
  assert.equal(scan.inHeader, false)
  assert.ok(scan.unfinished.length <= 2_049)
})

test('law: any chunking finds the same, on any bytes', () => {
  const text = fc
    .array(fc.constantFrom('Delivered-To: ', 'joe@x', '\n', 'delivered-TO:', 'y', ' '), {
      maxLength: 30,
    })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.nat(40), fc.nat(40), (header, a, b) => {
      const bytes = Buffer.from(header)
      const [one, two] = [Math.min(a, b), Math.max(a, b)]
      const pieces = [bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)]
      assert.deepEqual(found(pieces), found([bytes]))
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      scanDeliveredTo(DELIVERED_TO_SCAN, Buffer.from(bytes))
    }),
  )
})
