import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearestWord } from './nearest-word.ts'

test('a slip of the pen is recognised, another word is not', () => {
  const words = ['hostname', 'listen', 'limits', 'log', 'session_idle', 'user']
  const meant = (written: string) => nearestWord(written, words)
  assert.equal(meant('hostnmae'), 'hostname')
  assert.equal(meant('Hostname'), 'hostname')
  assert.equal(meant('limit'), 'limits')
  assert.equal(meant('session-idle'), 'session_idle')
  assert.equal(meant('owner'), undefined)
  assert.equal(meant(''), undefined)
  assert.equal(meant('x'.repeat(100_000)), undefined)
})
