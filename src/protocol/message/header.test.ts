import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fieldValue, readHeader } from './header.ts'

const read = (text: string) => {
  const bytes = Buffer.from(text)
  const header = readHeader(bytes)
  return {
    fields: header.fields.map((field) => [field.key, fieldValue(bytes, field)]),
    ending: header.ending,
    body: bytes.toString('utf8', header.bodyStart),
  }
}

test('fields are cut at their lines, continuations belong to them, the empty line ends', () => {
  assert.deepEqual(read('Subject: a\n b\n\tc\nTo :x\n\nbody\n'), {
    fields: [
      ['subject', ' a\n b\n\tc\n'],
      ['to', 'x\n'],
    ],
    ending: 'empty line',
    body: 'body\n',
  })
})

test('INJ-3: a line that is no field begins the body', () => {
  assert.deepEqual(read('not a header\nmore\n'), {
    fields: [],
    ending: 'other line',
    body: 'not a header\nmore\n',
  })
})

test('a continuation with nothing to continue begins the body', () => {
  assert.equal(read(' a: b\n').ending, 'other line')
})

test('INJ-4: the separator of an mbox is a field of its own kind, From: is not', () => {
  const { fields } = read('From someone Mon Jan 1 12:00:00 2026\nFrom: x\n\n')
  assert.deepEqual(
    fields.map(([key]) => key),
    ['from ', 'from'],
  )
})

test('INJ-18: an empty message has a header without fields', () => {
  assert.deepEqual(read(''), { fields: [], ending: 'end of text', body: '' })
})

test('fields, gap and body are all the bytes there are, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const header = readHeader(bytes)
      let at = 0
      for (const field of header.fields) {
        assert.equal(field.start, at)
        assert.ok(field.valueStart <= field.end)
        at = field.end
      }
      assert.equal(header.end, at)
      assert.equal(header.bodyStart, header.ending === 'empty line' ? at + 1 : at)
    }),
  )
})
