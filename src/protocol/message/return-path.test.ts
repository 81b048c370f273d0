import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReturnPath } from './return-path.ts'

test('a reverse-path becomes one line, whatever it holds', () => {
  assert.equal(formatReturnPath('joe@example.org'), 'Return-Path: <joe@example.org>\n')
  assert.equal(formatReturnPath('a\r\nBcc: x@y'), 'Return-Path: <"a__Bcc: x"@y>\n')
})
