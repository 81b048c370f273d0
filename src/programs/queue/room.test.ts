import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../../test/support/manual-clock.ts'
import { testSettings } from '../../../test/support/queue-partners.ts'
import type { Berth, Submitter } from './room.ts'
import { Room } from './room.ts'
import type { Surroundings } from './surroundings.ts'

const MEGABYTE = 1_048_576

function roomWith(free: () => number | undefined) {
  const clock = manualClock()
  let looks = 0
  const surroundings = {
    clock,
    settings: () => testSettings(),
    freeBytes: () => {
      looks += 1
      return Promise.resolve(free())
    },
  }
  const room = new Room(surroundings as unknown as Surroundings)
  const enter = (submitter: Submitter, announced?: number): Berth => {
    const berth = room.enter(submitter, announced)
    assert.ok(typeof berth !== 'string')
    return berth
  }
  return { room, clock, enter, looks: () => looks }
}

const receiver = (): Submitter => ({ program: 'receiver' })

test('what others may still write is not promised twice', async () => {
  const { room, enter } = roomWith(() => 2.5 * MEGABYTE)
  const one = receiver()
  const [first, second, third] = [enter(one), enter(one), enter(one)]
  assert.equal(await room.allow(first), undefined)
  assert.equal(await room.allow(second), undefined)
  assert.equal(await room.allow(third), 'disk')
  room.leave(first)
  assert.equal(await room.allow(third), undefined)
})

test('a size that is announced has to fit as a whole', async () => {
  const { room, enter } = roomWith(() => 10 * MEGABYTE)
  assert.equal(await room.allow(enter(receiver(), 20 * MEGABYTE)), 'disk')
  assert.equal(room.enter(receiver(), 20 * MEGABYTE), 'disk', 'and now it is known at the door')
  assert.equal(await room.allow(enter(receiver(), 5 * MEGABYTE)), undefined)
})

test('every megabyte the disk is asked again, and now and then for small messages', async () => {
  let free = 100 * MEGABYTE
  const { room, enter, looks, clock } = roomWith(() => free)
  const berth = enter(receiver())
  await room.allow(berth)
  assert.equal(room.take(berth, MEGABYTE), false)
  assert.equal(room.take(berth, 1), true)
  free = 0
  assert.equal(await room.allow(berth), 'disk')
  const before = looks()
  await room.allow(enterFresh())
  assert.equal(looks(), before + 1)

  function enterFresh(): Berth {
    clock.advance(1_000)
    return enter(receiver())
  }
})

test('bytes staged by one connection are bounded, and no other suffers', async () => {
  const { room, enter } = roomWith(() => undefined)
  const [greedy, other] = [receiver(), receiver()]
  const held = enter(greedy)
  room.take(held, 3_000 * MEGABYTE)
  assert.equal(await room.allow(held), undefined, 'one message alone may be as large as it may be')
  const more = enter(greedy)
  room.take(more, 1)
  assert.equal(await room.allow(more), 'share')
  assert.equal(await room.allow(enter(other)), undefined)
  room.leave(held)
  assert.equal(await room.allow(more), undefined)
})

test('so many arrivals of one connection, and then as many of another', () => {
  const { room, enter } = roomWith(() => undefined)
  const [one, other] = [receiver(), receiver()]
  for (let n = 0; n < 400; n += 1) enter(one)
  assert.equal(room.enter(one, undefined), 'share')
  for (let n = 0; n < 400; n += 1) enter(other)
})
