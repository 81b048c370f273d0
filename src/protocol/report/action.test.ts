import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ReportedRecipient } from './action.ts'
import { decodeXtext, formatRecipientFields, oneLine } from './action.ts'

const RECIPIENT: ReportedRecipient = {
  address: 'joe@example.net',
  action: 'failed',
  status: '5.1.1',
  text: 'There is no such mailbox.',
}

test('a refusal by another host names it and quotes its words', () => {
  const fields = formatRecipientFields({
    ...RECIPIENT,
    originalRecipient: 'rfc822;j+2Boe@example.net',
    host: 'mx.example.net [192.0.2.1]:25',
    reply: '550 5.1.1 no such user',
  })
  assert.equal(
    fields,
    `Original-Recipient: rfc822; j+oe@example.net
Final-Recipient: rfc822; joe@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 no such user
`,
  )
})

test('a failure of this host is told in its own words', () => {
  assert.match(formatRecipientFields(RECIPIENT), /^Diagnostic-Code: x-postern; There is no such/m)
})

test('an address beyond ASCII has a type of its own', () => {
  const fields = formatRecipientFields({ ...RECIPIENT, address: 'jürgen@example.net' })
  assert.match(fields, /^Final-Recipient: utf-8; jürgen@example.net$/m)
})

test('nothing foreign can add a field, end the group or grow without limit', () => {
  const hostile = fc.string({ unit: 'binary', maxLength: 3000 })
  fc.assert(
    fc.property(hostile, hostile, (address, reply) => {
      const original = `rfc822;${reply}`
      const fields = formatRecipientFields({
        ...RECIPIENT,
        address,
        reply,
        originalRecipient: original,
      })
      const lines = fields.split('\n')
      assert.equal(lines.pop(), '')
      for (const line of lines) {
        assert.match(line, /^(Original-Recipient|Final-Recipient|Action|Status|Diagnostic-Code): /)
        assert.ok(line.length < 998)
      }
    }),
  )
})

test('xtext is decoded where it is xtext', () => {
  assert.equal(decodeXtext('a+2Bb+3D'), 'a+b=')
  assert.equal(decodeXtext('a+zz'), 'a+zz')
})

test('text on one line has no line ends and is cut', () => {
  assert.equal(oneLine('a\r\nb\u0000c', 100), 'a b c')
  assert.equal(oneLine('abcdef', 3), 'abc')
})
