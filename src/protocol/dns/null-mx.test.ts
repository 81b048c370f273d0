import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNullMx } from './null-mx.ts'

for (const [exchanges, expected, why] of [
  [['.'], true, 'the root alone'],
  [[''], true, 'the root alone, as some decoders write it'],
  [['.', 'mx.test'], false, 'the root beside a real host'],
  [['mx.test'], false, 'a real host'],
  [[], false, 'no record at all'],
] as const) {
  test(`${why} is ${expected ? '' : 'not '}a null MX`, () => {
    assert.equal(isNullMx(exchanges.map((exchange) => ({ preference: 0, exchange }))), expected)
  })
}
