import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONGEST_ADDRESS } from '../contracts/submission.ts'
import type { Limit } from './limits.ts'
import { LIMITS } from './limits.ts'

const limits: readonly (readonly [string, Limit])[] = Object.entries(LIMITS)

test('no limit is below what its standard demands', () => {
  const low = limits.filter(([, limit]) => limit.value < (limit.least ?? 0))
  assert.deepEqual(low, [])
})

test('a minimum is never stated without its standard', () => {
  const bare = limits.filter(([, { least, standard }]) => (least === undefined) !== !standard)
  assert.deepEqual(bare, [])
})

test('the longest address that is accepted, all of it quoted, fits between programs', () => {
  const longest = 2 * LIMITS.localPart.value + 2 + 1 + LIMITS.domain.value
  assert.ok(longest <= LONGEST_ADDRESS)
})

test('a RCPT command with everything at its longest fits a command line', () => {
  const path = 2 * LIMITS.localPart.value + 2 + 1 + LIMITS.domain.value
  const parameters = ' NOTIFY=SUCCESS,FAILURE,DELAY ORCPT='.length + 500
  assert.ok('RCPT TO:<>\r\n'.length + path + parameters <= LIMITS.commandLine.value)
})
