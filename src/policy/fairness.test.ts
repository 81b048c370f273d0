import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseLane, isBulk, laneFor, passAfter, withoutBulk } from './fairness.ts'

/** Starts `count` attempts among lanes that always have more; answers how many each started. */
function share(names: readonly string[], count: number): Readonly<Record<string, number>> {
  const lanes = names.map((lane) => ({ lane, pass: 0, dueAt: 0 }))
  const started: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]))
  for (let turn = 0; turn < count; turn += 1) {
    const chosen = chooseLane(lanes)?.lane ?? ''
    started[chosen] = (started[chosen] ?? 0) + 1
    for (const lane of lanes) if (lane.lane === chosen) lane.pass = passAfter(lane)
  }
  return started
}

test('equal lanes get equal shares', () => {
  assert.deepEqual(share(['a', 'b', 'c'], 300), { a: 100, b: 100, c: 100 })
})

test('mail for many gets its turn too, but a quarter of what a note gets', () => {
  assert.deepEqual(share(['a', 'b bulk'], 500), { a: 400, 'b bulk': 100 })
})

test('a note that comes while many lists are under way is next', () => {
  const lists = Array.from({ length: 500 }, (_, n) => ({ lane: `l${n} bulk`, pass: 8, dueAt: n }))
  assert.equal(chooseLane([...lists, { lane: 'note', pass: 8, dueAt: 9999 }])?.lane, 'note')
})

test('between equals the one due longest is next, and nobody is next where nobody waits', () => {
  const lanes = [
    { lane: 'a', pass: 1, dueAt: 20 },
    { lane: 'b', pass: 1, dueAt: 10 },
  ]
  assert.equal(chooseLane(lanes)?.lane, 'b')
  assert.match(chooseLane(lanes)?.because ?? '', /pass 1, due at 10/)
  assert.equal(chooseLane([]), undefined)
})

test('a message to more than a hundred recipients waits in a lane for such', () => {
  assert.equal(laneFor('remote/x', 100), 'remote/x')
  assert.equal(laneFor('remote/x', 101), 'remote/x bulk')
  assert.ok(isBulk('remote/x bulk'))
  assert.equal(withoutBulk('remote/x bulk'), 'remote/x')
  assert.equal(withoutBulk('remote/x'), 'remote/x')
})
