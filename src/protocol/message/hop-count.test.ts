import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HopCounter } from './hop-count.ts'

function count(content: string, cut: (bytes: Buffer) => readonly Buffer[] = (bytes) => [bytes]) {
  const counter = new HopCounter()
  for (const piece of cut(Buffer.from(content))) counter.read(piece)
  return { hops: counter.hops, headerBytes: counter.headerBytes }
}

test('Received and Delivered-To fields count, in any case, in the header only', () => {
  const header =
    'Received: a\n\tReceived: folded\nDELIVERED-TO: b\nreceived:c\nX-Received: d\nRece\n'
  const content = `${header}\nReceived: body\n\nDelivered-To: body\n`
  assert.deepEqual(count(content), { hops: 3, headerBytes: header.length + 1 })
})

test('a message without a body is all header, one that begins with an empty line has none', () => {
  assert.deepEqual(count('Received: a\nReceived: b\n'), { hops: 2, headerBytes: 24 })
  assert.deepEqual(count('\nReceived: a\n'), { hops: 0, headerBytes: 1 })
  assert.deepEqual(count(''), { hops: 0, headerBytes: 0 })
})

test('any cutting of the content gives the same count', () => {
  const line = fc.constantFrom(
    'Received: x\n',
    'delivered-to: y\n',
    '\n',
    'a\n',
    'Receive',
    'd: z\n',
  )
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(7), { minLength: 1 }), (lines, sizes) => {
      const cut = (bytes: Buffer) => pieces(bytes, sizes)
      assert.deepEqual(count(lines.join(''), cut), count(lines.join('')))
    }),
  )
})

function pieces(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = (sizes[index % sizes.length] ?? 0) + 1
    cut.push(bytes.subarray(at, at + size))
    at += size
  }
  return cut
}
