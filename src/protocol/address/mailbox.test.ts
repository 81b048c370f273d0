import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatLocalPart, formatMailbox, splitMailbox } from './mailbox.ts'

test('a local part is quoted only where the grammar needs it', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['joe', 'joe'],
    ['joe.doe+x', 'joe.doe+x'],
    ['jörg', 'jörg'],
    ['', '""'],
    ['a b', '"a b"'],
    ['a..b', '"a..b"'],
    ['.a', '".a"'],
    ['a"b\\c', String.raw`"a\"b\\c"`],
    ['a@b', '"a@b"'],
  ]
  for (const [plain, written] of cases) assert.equal(formatLocalPart(plain), written)
})

test('plain postmaster has no @', () => {
  assert.equal(formatMailbox({ localPart: 'postmaster', domain: '' }), 'postmaster')
  assert.deepEqual(splitMailbox('postmaster'), { localPart: 'postmaster', domain: '' })
})

test('splitting what was formatted gives the same mailbox, whatever the local part holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.domain(), (localPart, domain) => {
      assert.deepEqual(splitMailbox(formatMailbox({ localPart, domain })), { localPart, domain })
    }),
  )
})
