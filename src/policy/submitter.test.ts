import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountOf, byteText } from './submitter.ts'

test('a submitter without a login name is known by its uid', () => {
  assert.equal(accountOf({ login: 'joe' }, 7), 'joe')
  assert.equal(accountOf({}, 7), 'uid-7')
})

test('text is one character a byte', () => {
  assert.equal(byteText('ü'), '\u00c3\u00bc')
})
