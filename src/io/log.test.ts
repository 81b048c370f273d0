import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLogLine } from './log.ts'

const context = {
  at: new Date('2026-11-22T18:30:00.123Z'),
  program: 'queue',
  format: 'text',
} as const

test('a line says when, who, which message, what', () => {
  const line = formatLogLine(
    { event: 'delivered', queueId: '4FJ2K9QX1M', fields: { to: 'joe@example.org', seconds: 2 } },
    context,
  )
  assert.equal(
    line,
    '2026-11-22T18:30:00.123Z queue 4FJ2K9QX1M delivered to=joe@example.org seconds=2\n',
  )
})

test('LG-2: line ends, quotes and terminal escapes in a value cannot forge or break a line', () => {
  const hostile = 'a\nb queue X accepted "\u001b[2J\u202e\u0085\ud800'
  const line = formatLogLine({ event: 'refused', fields: { from: hostile } }, context)
  assert.equal(line.split('\n').length, 2)
  assert.doesNotMatch(line, /[\u001b\u202e\u0085\ud800]/)
  assert.match(line, /from="a\\nb queue X accepted \\"/)
})

test('values and lines have a limit', () => {
  const fields = Object.fromEntries(
    Array.from({ length: 50 }, (_, index) => [`field${index}`, 'x'.repeat(10_000)]),
  )
  assert.ok(formatLogLine({ event: 'refused', fields }, context).length <= 3_501)
})

test('JSON has one object a line, with the same facts', () => {
  const line = formatLogLine(
    { event: 'accepted', queueId: 'X1', fields: { from: '', size: 12, client: undefined } },
    { ...context, format: 'json' },
  )
  assert.ok(line.endsWith('\n'))
  assert.deepEqual(JSON.parse(line), {
    at: '2026-11-22T18:30:00.123Z',
    program: 'queue',
    event: 'accepted',
    id: 'X1',
    from: '',
    size: 12,
  })
})
