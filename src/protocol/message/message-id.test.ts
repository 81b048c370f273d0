import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatMessageId } from './message-id.ts'

test('a Message-ID tells the time, is unique by its second part, and ends in the host', () => {
  const now = Date.UTC(2026, 10, 22, 18, 30, 5)
  assert.equal(formatMessageId(now, 'a1b2', 'h.example'), '<20261122183005.a1b2@h.example>')
})
