import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RepliesRead, ServerReply } from './server-reply.ts'
import {
  enhancedStatusOf,
  KEPT_OF_REPLY_LINE,
  KEPT_REPLY_LINES,
  LONGEST_REPLY,
  NEW_REPLY_READER,
  quoteReply,
  readReplies,
} from './server-reply.ts'

function read(text: string): RepliesRead {
  return readReplies(NEW_REPLY_READER, Buffer.from(text))
}

function format(reply: ServerReply): string {
  return reply.lines
    .map((line, at) => `${reply.code}${at === reply.lines.length - 1 ? ' ' : '-'}${line}\r\n`)
    .join('')
}

test('replies of one and of several lines are read, a code alone included', () => {
  const { replies, problem } = read('220 hi\r\n250-one\r\n250-\r\n250 two\r\n354\r\n')
  assert.equal(problem, undefined)
  assert.deepEqual(replies, [
    { code: 220, lines: ['hi'] },
    { code: 250, lines: ['one', '', 'two'] },
    { code: 354, lines: [''] },
  ])
})

for (const [text, problem, why] of [
  ['hello\r\n', 'not a reply', 'no digits'],
  ['25 ok\r\n', 'not a reply', 'two digits'],
  ['2500 ok\r\n', 'not a reply', 'four digits'],
  ['250xok\r\n', 'not a reply', 'no separator'],
  ['150 ok\r\n', 'not a reply', 'no such class in SMTP'],
  ['650 ok\r\n', 'not a reply', 'no such class'],
  ['-25 ok\r\n', 'not a reply', 'a sign'],
  ['\r\n', 'not a reply', 'an empty line'],
  ['250-a\r\n550 b\r\n', 'lines of one reply disagree', 'two codes'],
] as const) {
  test(`a reply with ${why} is a problem`, () => {
    assert.equal(read(text).problem, problem)
  })
}

test('replies before a problem are still told', () => {
  const { replies, problem } = read('250 ok\r\nnonsense\r\n')
  assert.equal(problem, 'not a reply')
  assert.equal(replies.length, 1)
})

test('SMC-9: 100 lines and a line of 1 MB are read, and what is kept of them is capped', () => {
  const long = read(`250 ${'x'.repeat(1_000_000)}\r\n`)
  assert.equal(long.problem, undefined)
  assert.equal(long.replies[0]?.lines[0]?.length, KEPT_OF_REPLY_LINE - 4)
  const many = read(`${'250-x\r\n'.repeat(5_000)}250 end\r\n`)
  assert.equal(many.problem, undefined)
  assert.equal(many.replies[0]?.lines.length, KEPT_REPLY_LINES)
})

test('a reply without an end is given up, whether it is one line or many', () => {
  assert.equal(read('x'.repeat(LONGEST_REPLY + 1)).problem, 'endless reply')
  assert.equal(read('250-x\r\n'.repeat(LONGEST_REPLY / 7 + 1)).problem, 'endless reply')
})

test('a reply is quoted on one line without control characters', () => {
  const [reply] = read('550-5.1.1 no\u0000 such\u001b[31m\r\n550 user \r\n').replies
  assert.ok(reply)
  assert.equal(quoteReply(reply, 1_000), '550 5.1.1 no? such?[31m user')
  assert.equal(quoteReply(reply, 5).length, 5)
})

test('an enhanced status counts only where its class is that of the code', () => {
  assert.deepEqual(enhancedStatusOf({ code: 550, lines: ['5.1.1 no'] }), { subject: 1, detail: 1 })
  assert.deepEqual(enhancedStatusOf({ code: 550, lines: ['5.7.26'] }), { subject: 7, detail: 26 })
  assert.equal(enhancedStatusOf({ code: 450, lines: ['5.1.1 no'] }), undefined)
  assert.equal(enhancedStatusOf({ code: 550, lines: ['5.01.1 no'] }), undefined)
  assert.equal(enhancedStatusOf({ code: 550, lines: ['5.1.1000 no'] }), undefined)
})

const anyReply = fc.record(
  {
    code: fc.integer({ min: 200, max: 599 }),
    lines: fc.array(fc.stringMatching(/^[ -~]{0,40}$/), { minLength: 1, maxLength: 5 }),
  },
  { noNullPrototype: true },
)

test('law: what is formatted is read back, in any chunking', () => {
  fc.assert(
    fc.property(fc.array(anyReply, { maxLength: 4 }), fc.nat(), (expected, seed) => {
      const bytes = Buffer.from(expected.map(format).join(''))
      let reader = NEW_REPLY_READER
      const replies: ServerReply[] = []
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + ((seed + at) % 7)
        const result = readReplies(reader, bytes.subarray(at, at + size))
        assert.equal(result.problem, undefined)
        reader = result.reader
        replies.push(...result.replies)
        at += size
      }
      assert.deepEqual(replies, expected)
      assert.equal(reader.line.length, 0)
    }),
  )
})

test('law: no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readReplies(NEW_REPLY_READER, bytes)
    }),
  )
})
