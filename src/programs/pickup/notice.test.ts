import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNotice } from './notice.ts'

const FACTS = {
  hostname: 'h.example',
  to: 'joe@h.example',
  uid: 1000,
  now: Date.UTC(2026, 10, 22),
  zoneMinutes: 0,
  unique: 'a1',
  problem: { status: '5.1.0', text: 'The message names no recipients.' },
  firstPart: Buffer.from('Subject: x\r\n\r\nbody\0\rend'),
  cut: true,
} as const

test('a notice says why, and quotes the message as harmless text in LF form', () => {
  const text = formatNotice(FACTS).toString()
  assert.match(text, /^Auto-Submitted: auto-replied$/m)
  assert.match(text, /user id 1000[^]*names no recipients\.\n {2}\(5\.1\.0\)/)
  assert.match(text, /begins like this:\n\nSubject: x\n\nbody\?\?end\n/)
  assert.match(text, /rest is left out/)
  assert.doesNotMatch(text, /[\r\0]/)
  assert.ok(text.endsWith('\n'))
})

test('a reason with control characters in it does not keep the notice from being taken', () => {
  const problem = { status: '5.1.3', text: 'no such: a\0\rb' } as const
  assert.doesNotMatch(formatNotice({ ...FACTS, problem }).toString(), /[\r\0]/)
})
