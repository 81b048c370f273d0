import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextLine } from './line.ts'

const read = (text: string, from = 0, longest = 20) =>
  nextLine(Buffer.from(text, 'latin1'), from, longest)

test('a line is what stands before CRLF', () => {
  assert.deepEqual(read('NOOP\r\nQUIT\r\n'), { kind: 'line', text: 'NOOP', next: 6 })
  assert.deepEqual(read('NOOP\r\nQUIT\r\n', 6), { kind: 'line', text: 'QUIT', next: 12 })
  assert.deepEqual(read('\r\n'), { kind: 'line', text: '', next: 2 })
  for (const text of ['', 'NOOP', 'NOOP\r']) assert.deepEqual(read(text), { kind: 'incomplete' })
})

test('what stands alone is refused', () => {
  for (const text of ['a\n', '\n', 'a\rb\r\n', 'a\r\r\n', 'a\0\r\n', '\r\n'.slice(1)]) {
    assert.deepEqual(read(text), { kind: 'refused', problem: 'bad line' }, JSON.stringify(text))
  }
})

test('the limit counts the line end, and holds before the line is whole', () => {
  const line = 'x'.repeat(18)
  assert.deepEqual(read(`${line}\r\n`), { kind: 'line', text: line, next: 20 })
  assert.deepEqual(read(`x${line}\r\n`), { kind: 'refused', problem: 'too long' })
  assert.deepEqual(read('x'.repeat(21)), { kind: 'refused', problem: 'too long' })
})

test('beyond ASCII there is UTF-8', () => {
  const umlaut = nextLine(Buffer.from('ö\r\n'), 0, 20)
  assert.deepEqual(umlaut, { kind: 'line', text: 'ö', next: 4 })
  assert.deepEqual(read('\xff\r\n'), { kind: 'refused', problem: 'not text' })
})

test('no bytes make it throw, and a line holds no control of lines', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(5), (bytes, from) => {
      const line = nextLine(Buffer.from(bytes), from, 100)
      if (line.kind === 'line') assert.doesNotMatch(line.text, /[\r\n\0]/)
    }),
  )
})
