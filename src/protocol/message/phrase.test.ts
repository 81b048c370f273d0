import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPhrase } from './phrase.ts'

test('an ASCII name is a quoted string', () => {
  assert.equal(formatPhrase('Big "B" Boss'), String.raw`"Big \"B\" Boss"`)
})

test('another name is made of encoded words that hold whole characters', () => {
  assert.equal(formatPhrase('Jürgen'), '=?utf-8?B?SsO8cmdlbg==?=')
  for (const word of formatPhrase('ü'.repeat(100)).split('\n  ')) {
    assert.ok(word.length <= 75)
    assert.match(Buffer.from(word.slice(10, -2), 'base64').toString(), /^ü+$/)
  }
})

test('no name can begin a line that is not a continuation, or hold a control character', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (name) => {
      assert.doesNotMatch(formatPhrase(`${name}\r\nBcc: x`), /\n(?! )|[\r\0\u007f]/)
    }),
  )
})
