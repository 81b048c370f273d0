import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Retry } from '../contracts/settings.ts'
import { isLastAttempt } from './expiry.ts'
import type { Channel } from './retry.ts'
import { listedAge, nextAttempt, quadraticAge } from './retry.ts'

const RETRY: Retry = { lifetime: 604_800, localSpacing: 10, remoteSpacing: 20, schedule: [] }

/** The ages of all attempts of a message that is deferred every time and picked up when due. */
function attemptAges(channel: Channel, retry: Retry): readonly number[] {
  const ages = [0]
  for (
    let age = 0;
    !isLastAttempt({ arrivedAt: 0, startedAt: age * 1000 }, retry.lifetime).last;
  ) {
    age =
      nextAttempt({ arrivedAt: 0, startedAt: age * 1000, endedAt: age * 1000 }, channel, retry).at /
      1000
    ages.push(age)
  }
  return ages
}

test('RS-1 a remote message is tried at the squares of 20, forty times, the last at 7 d 1 h', () => {
  const ages = attemptAges('remote', RETRY)
  const table = [0, 400, 1600, 3600, 6400, 10_000, 14_400, 19_600, 25_600, 32_400, 40_000, 48_400]
  assert.deepEqual(ages.slice(0, 12), table)
  assert.equal(ages.length, 40)
  assert.equal(ages.at(-1), 608_400)
})

test('RS-2 a local message is tried at the squares of 10, seventy-nine times, the last at 7 d 1 h', () => {
  const ages = attemptAges('local', RETRY)
  const table = [0, 100, 400, 900, 1600, 2500, 3600, 4900, 6400, 8100, 10_000, 12_100]
  assert.deepEqual(ages.slice(0, 12), table)
  assert.equal(ages.length, 79)
  assert.equal(ages.at(-1), 608_400)
})

test('RS-3 with a lifetime of 3000 s the last remote attempt is the one at 3600 s', () => {
  assert.deepEqual(attemptAges('remote', { ...RETRY, lifetime: 3000 }), [0, 400, 1600, 3600])
})

const DRIFT = [
  { age: 401, next: 1600, why: 'one second late does not shift the schedule' },
  { age: 500, next: 1764, why: 'a pass 100 s late shifts those that follow (RS-6)' },
  { age: -1000, next: 400, why: 'RS-8 arrival in the future counts as age 0' },
]
for (const { age, next, why } of DRIFT) {
  test(`a remote attempt at age ${age} is followed by one at ${next}: ${why}`, () => {
    assert.equal(quadraticAge(age, 20), next)
  })
}

test('an attempt that outlasts its interval counts from its end', () => {
  const times = { arrivedAt: 0, startedAt: 0, endedAt: 900_000 }
  assert.equal(nextAttempt(times, 'remote', RETRY).at, 2_500_000)
})

test('a list of ages stands in the place of the formula, its last interval repeated', () => {
  const schedule = [300, 900, 3600]
  assert.deepEqual(
    [0, 300, 1000, 3600, 7000].map((age) => listedAge(age, schedule)),
    [300, 900, 3600, 6300, 9000],
  )
})

test('the next attempt is always later than the one before, and says why', () => {
  const schedules = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 5 })
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(1e7), schedules, (startedAt, took, list) => {
      const retry = { ...RETRY, schedule: list.sort((a, b) => a - b) }
      const endedAt = startedAt + took
      const next = nextAttempt({ arrivedAt: 0, startedAt, endedAt }, 'local', retry)
      assert.ok(next.at > endedAt)
      assert.match(next.because, /at age \d+ s/)
    }),
  )
})
