import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatQueueId, parseQueueId, QueueIdSource } from './queue-id.ts'

function markAt(mark: number) {
  const written = {
    mark,
    raised: [] as number[],
    raise(to: number) {
      written.mark = to
      written.raised.push(to)
    },
  }
  return written
}

test('an id is read back as the number it stands for, in either case', () => {
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (number) => {
      assert.equal(parseQueueId(formatQueueId(number)), number)
      assert.equal(parseQueueId(formatQueueId(number).toLowerCase()), number)
    }),
  )
})

test('ids are ordered as their numbers are', () => {
  const ordered = fc.tuple(fc.nat({ max: 2 ** 50 - 1 }), fc.nat({ max: 2 ** 50 - 1 }))
  fc.assert(
    fc.property(ordered, ([a, b]) => {
      assert.equal(formatQueueId(a) < formatQueueId(b), a < b)
    }),
  )
})

test('what is no id is told as such', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseQueueId(text)))
  for (const text of ['', 'short', 'UUUUUUUUUU', '0'.repeat(14), 'Z'.repeat(12), '../../../x']) {
    assert.equal(parseQueueId(text), undefined, text)
  }
})

test('numbers grow whatever the clock does, and never reach the mark', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1e12 }), { minLength: 1 }), (times) => {
      const mark = markAt(0)
      let time = 0
      const source = new QueueIdSource(() => time, mark)
      let last = -1
      for (time of times) {
        const number = source.next()
        assert.ok(number > last && number < mark.mark)
        last = number
      }
    }),
  )
})

test('a source that starts at a mark gives out nothing below it', () => {
  const source = new QueueIdSource(() => 5, markAt(1_000_000))
  assert.ok(source.next() > 1_000_000)
})

test('the mark is written seldom while the clock runs', () => {
  const mark = markAt(0)
  let time = 1_000
  const source = new QueueIdSource(() => time, mark)
  for (let n = 0; n < 5_000; n++, time++) source.next()
  assert.equal(mark.raised.length, 1)
})
