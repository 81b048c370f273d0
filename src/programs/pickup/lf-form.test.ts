import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { LfForm } from './lf-form.ts'

function through(text: string | Buffer, keepDots: boolean, size = 1_000): string {
  const form = new LfForm(keepDots)
  const bytes = Buffer.from(text as string)
  let out = ''
  for (let at = 0; at < bytes.length; at += size) {
    const piece = form.push(bytes.subarray(at, at + size))
    if (!piece.ok) return piece.problem
    out += piece.value.toString('latin1')
  }
  const end = form.end()
  return end.ok ? out + end.value.toString('latin1') : end.problem
}

suite('a message into LF form', () => {
  const cases = [
    ['CRLF becomes LF', 'a\r\nb\r\n', true, 'a\nb\n'],
    ['a last line gets its end', 'a\nb', true, 'a\nb\n'],
    ['nothing stays nothing', '', false, ''],
    ['CLI-3: a lone dot ends the message', 'a\n.\nb\n', false, 'a\n'],
    ['CLI-3: with -i it does not', 'a\n.\nb\n', true, 'a\n.\nb\n'],
    ['a lone dot with CRLF', 'a\r\n.\r\nb', false, 'a\n'],
    ['a lone dot at the very beginning', '.\nb\n', false, ''],
    ['a lone dot at the very end', 'a\n.', false, 'a\n'],
    ['dots among others', '..\n.a\na.\n', false, '..\n.a\na.\n'],
    ['what follows the dot is not looked at', 'a\n.\n\0\r', false, 'a\n'],
    ['a lone CR', 'a\rb', true, 'a carriage return without a line feed'],
    ['a CR at the end', 'a\r', true, 'a carriage return without a line feed'],
    ['two CRs', 'a\r\r\n', true, 'a carriage return without a line feed'],
    ['a NUL', 'a\0', true, 'a NUL byte'],
  ] as const
  for (const [why, given, keepDots, expected] of cases) {
    test(why, () => {
      for (const size of [1, 2, 3, 1_000]) assert.equal(through(given, keepDots, size), expected)
    })
  }

  test('any cutting gives the same', () => {
    const texts = fc.string({ unit: fc.constantFrom('\r', '\n', '.', 'a', '\r\n', '\n.\n') })
    fc.assert(
      fc.property(texts, fc.boolean(), fc.integer({ min: 1, max: 7 }), (text, keepDots, size) => {
        assert.equal(through(text, keepDots, size), through(text, keepDots))
      }),
      { numRuns: 2_000 },
    )
  })

  test('bytes above 127 are noticed', () => {
    const form = new LfForm(true)
    form.push(Buffer.from('abc\n'))
    assert.equal(form.eightBit, false)
    form.push(Buffer.from('ü'))
    assert.equal(form.eightBit, true)
  })
})
