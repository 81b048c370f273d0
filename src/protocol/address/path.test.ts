import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Mailbox } from './mailbox.ts'
import { formatMailbox } from './mailbox.ts'
import { parseForwardPath, parseReversePath } from './path.ts'

const limits = { localPart: 64, domain: 255 }
const forward = (text: string) => parseForwardPath(text, limits)
const mailbox = (localPart: string, domain: string): Mailbox => ({ localPart, domain })

test('paths that are taken', () => {
  const cases: readonly (readonly [string, Mailbox, string])[] = [
    ['<joe@example.org>', mailbox('joe', 'example.org'), ''],
    ['<joe@example.org> SIZE=1', mailbox('joe', 'example.org'), ' SIZE=1'],
    ['<Joe.Doe+x@Example.ORG>', mailbox('Joe.Doe+x', 'Example.ORG'), ''],
    ['<"a b"@example.org>', mailbox('a b', 'example.org'), ''],
    [String.raw`<"a\"\\>@b"@example.org>`, mailbox(String.raw`a"\>@b`, 'example.org'), ''],
    ['<""@example.org>', mailbox('', 'example.org'), ''],
    ['<u@[192.0.2.1]>', mailbox('u', '[192.0.2.1]'), ''],
    ['<u@[IPv6:::1]>', mailbox('u', '[IPv6:::1]'), ''],
    ['<@a,@[IPv6:::1],@b:u@d.org>', mailbox('u', 'd.org'), ''],
    ['<jörg@bücher.example>', mailbox('jörg', 'bücher.example'), ''],
    ['<POSTMASTER>', mailbox('POSTMASTER', ''), ''],
    ['<a!b%c@d.org>', mailbox('a!b%c', 'd.org'), ''],
  ]
  for (const [text, expected, rest] of cases) {
    assert.deepEqual(forward(text), { ok: true, value: { mailbox: expected, rest } }, text)
  }
})

test('paths that are refused', () => {
  const cases = [
    ['joe@example.org', 'no angle brackets'],
    ['', 'no angle brackets'],
    ['<>', 'empty path'],
    ['<joe>', 'no domain'],
    ['<joe@>', 'not an address'],
    ['<@example.org>', 'not an address'],
    ['<joe@example.org', 'not an address'],
    ['<.joe@example.org>', 'not an address'],
    ['<j..oe@example.org>', 'not an address'],
    ['<a b@example.org>', 'not an address'],
    ['<"a@example.org>', 'not an address'],
    ['<"a"\\c@example.org>', 'not an address'],
    ['<joe@-x.org>', 'not an address'],
    ['<joe@[999.1.1.1]>', 'not an address'],
    ['<@a,@b>', 'not an address'],
    ['<@a:>', 'not an address'],
    ['<a@b@c.org>', 'not an address'],
    ['<a@b.org\r>', 'not an address'],
    [`<${'x'.repeat(65)}@b.org>`, 'too long'],
    [`<${'ö'.repeat(33)}@b.org>`, 'too long'],
    [`<x@${'y.'.repeat(128)}org>`, 'too long'],
  ] as const
  for (const [text, problem] of cases) assert.deepEqual(forward(text), { ok: false, problem }, text)
})

test('only a reverse-path may be null, and none may be plain postmaster', () => {
  assert.deepEqual(parseReversePath('<> X', limits), {
    ok: true,
    value: { mailbox: 'null', rest: ' X' },
  })
  assert.deepEqual(parseReversePath('<postmaster>', limits), { ok: false, problem: 'no domain' })
})

test('every mailbox that can be written is read back', () => {
  const local = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 64,
  })
  fc.assert(
    fc.property(local, fc.domain(), (localPart, domain) => {
      const parsed = forward(`<${formatMailbox({ localPart, domain })}>`)
      assert.deepEqual(parsed, { ok: true, value: { mailbox: { localPart, domain }, rest: '' } })
    }),
  )
})

test('no text makes it throw, and what is taken can be written again', () => {
  const unit = fc.constantFrom(
    '<',
    '>',
    '@',
    '"',
    '\\',
    ',',
    ':',
    '.',
    'a',
    '[',
    ']',
    ' ',
    'ö',
    '\r',
  )
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit }), fc.string({ unit: 'binary' })), (inside) => {
      const parsed = forward(`<${inside}>`)
      if (!parsed.ok) return
      const again = forward(`<${formatMailbox(parsed.value.mailbox)}>`)
      assert.ok(again.ok)
      assert.deepEqual(again.value.mailbox, parsed.value.mailbox)
    }),
    { numRuns: 2_000 },
  )
})

test('reading takes time in proportion to the length', () => {
  for (const unit of ['@a,', 'a.', '"', '\\', '<', '@', 'a,@']) {
    assert.equal(forward(`<@${unit.repeat(100_000)}`).ok, false)
    assert.equal(forward(`<"${unit.repeat(100_000)}`).ok, false)
  }
})
