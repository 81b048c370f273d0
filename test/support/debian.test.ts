import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needs } from './debian.ts'

test('nothing is needed for nothing', async () => {
  assert.equal(await needs(), undefined)
})
