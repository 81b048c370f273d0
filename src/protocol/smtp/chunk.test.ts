import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChunkHead } from './chunk.ts'

test('a chunk says its size, and whether it is the last', () => {
  assert.deepEqual(parseChunkHead('0'), { size: 0, last: false })
  assert.deepEqual(parseChunkHead('86'), { size: 86, last: false })
  assert.deepEqual(parseChunkHead('1000 last'), { size: 1_000, last: true })
})

test('everything else leaves its end unknown', () => {
  for (const argument of ['', '-1', '1.5', '1e3', '0x10', '10 FIRST', '10LAST', '9'.repeat(16)]) {
    assert.equal(parseChunkHead(argument), undefined, argument)
  }
})
