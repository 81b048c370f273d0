import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../policy/limits.ts'
import { IncomingContent } from './content.ts'

const limits = { messageSize: 40, hops: 2 }

function judge(text: string, given = limits): string {
  const content = new IncomingContent('DATA', given)
  content.read(Buffer.from(text), 0)
  return content.problem ?? (content.ended ? 'fine' : 'unfinished')
}

test('content is judged by size, hops and line ends', () => {
  const cases = [
    ['a\r\n.\r\n', 'fine'],
    ['a\r\n', 'unfinished'],
    [`${'x'.repeat(39)}\r\n.\r\n`, 'fine'],
    [`${'x'.repeat(40)}\r\n.\r\n`, 'too large'],
    ['Received: 1\r\n\r\n.\r\n', 'fine'],
    ['Received: 1\r\nReceived: 2\r\n\r\n.\r\n', 'looping'],
    ['a\nb\r\n.\r\n', 'bare LF'],
  ] as const
  for (const [text, problem] of cases) assert.equal(judge(text), problem, JSON.stringify(text))
})

test('SMS-11 and LP-5: 99 hops pass, 100 are a loop', () => {
  const message = (hops: number) => `${'Received: x\r\n'.repeat(hops)}\r\nbody\r\n.\r\n`
  const roomy = { messageSize: 1_000_000, hops: 100 }
  assert.equal(judge(message(99), roomy), 'fine')
  assert.equal(judge(message(100), roomy), 'looping')
})

test('a header without end is refused', () => {
  const field = `X: ${'x'.repeat(1_020)}\r\n`
  const roomy = { messageSize: 10 * LIMITS.header.value, hops: 100 }
  assert.equal(judge(field.repeat(1_020), roomy), 'unfinished')
  assert.equal(judge(field.repeat(1_030), roomy), 'header too long')
})

test('a bad line end outranks every other problem, even when it comes later', () => {
  const content = new IncomingContent('DATA', limits)
  content.read(Buffer.from(`${'x'.repeat(50)}\r\n`), 0)
  assert.equal(content.problem, 'too large')
  content.read(Buffer.from('\n.\r\n'), 0)
  assert.equal(content.problem, 'bare LF')
})

test('nothing of refused content is passed on, and too much of it is hopeless', () => {
  const content = new IncomingContent('DATA', limits)
  const piece = () => Buffer.from(`${'x'.repeat(65_534)}\r\n`)
  assert.equal(content.read(piece(), 0).bytes.length, 0)
  let read = 1
  for (; !content.hopeless; read += 1) assert.equal(content.read(piece(), 0).bytes.length, 0)
  assert.equal(read, LIMITS.refusedContent.value / 65_536 + 1)
})

test('the line that completes a chunked message counts as well', () => {
  const content = new IncomingContent('BDAT', { messageSize: 3, hops: 2 })
  content.read(Buffer.from('abc'), 0)
  assert.equal(content.problem, undefined)
  assert.equal(content.finish(), '\n')
  assert.equal(content.problem, 'too large')
})
