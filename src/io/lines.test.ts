import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatJsonLine, LineReader, parseJsonLine } from './lines.ts'

test('lines come out the same however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', ' '))),
      fc.integer({ min: 1, max: 9 }),
      (lines, size) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        const reader = new LineReader(1_000)
        const found: string[] = []
        for (let at = 0; at < bytes.length; at += size) {
          found.push(...(reader.read(bytes.subarray(at, at + size)) ?? ['too long']))
        }
        assert.deepEqual(
          found,
          lines.map((line) => Buffer.from(line).toString()),
        )
      },
    ),
  )
})

test('a line over the limit is refused, whether or not its end has come', () => {
  assert.equal(new LineReader(4).read(Buffer.from('12345')), undefined)
  assert.equal(new LineReader(4).read(Buffer.from('12345\n')), undefined)
  assert.deepEqual(new LineReader(4).read(Buffer.from('1234\n')), ['1234'])
})

test('what is no JSON is nothing, and JSON comes back', () => {
  assert.equal(parseJsonLine('{'), undefined)
  assert.deepEqual(parseJsonLine(formatJsonLine({ a: [1] })), { a: [1] })
})
