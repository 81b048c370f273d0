import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pace, SiteEvent } from './concurrency.ts'
import {
  admitToSite,
  FIRST_LIMIT,
  FRESH_PACE,
  isResting,
  LONGEST_REST,
  paceAfter,
  restAfter,
  shareOfAgent,
  shareOfBulk,
} from './concurrency.ts'

const MOST = 20
const step = (pace: Pace, event: SiteEvent, now: number, startedAt = now): Pace =>
  paceAfter(pace, event, { startedAt, now, most: MOST })

test('success adds one up to the limit of the settings', () => {
  let pace = FRESH_PACE
  assert.equal(step(pace, 'delivered', 0).limit, FIRST_LIMIT + 1)
  for (let count = 0; count < 100; count += 1) pace = step(pace, 'delivered', 0)
  assert.equal(pace.limit, MOST)
})

test('failing to reach a site halves its share, but never to nothing', () => {
  let pace: Pace = { ...FRESH_PACE, limit: 20 }
  const limits = [1, 2, 3, 4, 5, 6].map((now) => (pace = step(pace, 'unreachable', now)).limit)
  assert.deepEqual(limits, [10, 5, 2, 1, 1, 1])
})

test('the first failure does not rest a site; the second does, for a minute; then ever longer', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].map((failures) => restAfter(failures) / 60_000),
    [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60],
  )
  const twice = step(step(FRESH_PACE, 'unreachable', 1000), 'unreachable', 2000)
  assert.ok(isResting(twice, 61_999))
  assert.ok(!isResting(twice, 62_000))
})

test('attempts side by side that fail together count as one failure', () => {
  let pace = step(FRESH_PACE, 'unreachable', 1000, 0)
  for (let count = 0; count < 10; count += 1) pace = step(pace, 'unreachable', 1001 + count, 0)
  assert.equal(pace.failures, 1)
  assert.ok(!isResting(pace, 1100))
})

test('after a rest one attempt probes the site, and any answer opens it again', () => {
  const rested = step(step(FRESH_PACE, 'unreachable', 0), 'unreachable', 1)
  const later = { now: 100_000, most: MOST }
  assert.ok(!admitToSite(rested, { ...later, now: 30_000, running: 0 }).admitted)
  assert.ok(admitToSite(rested, { ...later, running: 0 }).admitted)
  assert.ok(!admitToSite(rested, { ...later, running: 1 }).admitted)
  const open = step(rested, 'answered', 100_000)
  assert.equal(open.failures, 0)
  assert.ok(admitToSite(open, { now: 100_001, most: MOST, running: 0 }).admitted)
})

test('no site rests longer than an hour', () => {
  let pace = FRESH_PACE
  for (let now = 1; now < 100; now += 1) pace = step(pace, 'unreachable', now)
  assert.equal(pace.restsUntil, 99 + LONGEST_REST)
})

test('mail for many leaves a quarter of every limit free, and always has one place', () => {
  assert.deepEqual([1, 2, 4, 20].map(shareOfBulk), [1, 1, 3, 15])
})

test('four stopped agents of users fill the local limit, never one; virtual mailboxes may use it all', () => {
  for (const kind of ['account', 'spool'] as const) {
    assert.deepEqual(
      [1, 3, 4, 20, 1_000].map((most) => shareOfAgent(kind, most)),
      [1, 1, 1, 5, 250],
    )
  }
  assert.deepEqual(
    [1, 20].map((most) => shareOfAgent('mailboxes', most)),
    [1, 20],
  )
})
