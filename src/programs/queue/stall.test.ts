import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../../test/support/manual-clock.ts'
import { AGENT_STALLS_AFTER } from '../../policy/concurrency.ts'
import { StallWatch } from './stall.ts'

function start() {
  const clock = manualClock()
  const seen: boolean[] = []
  const watch = new StallWatch(clock, () => seen.push(watch.stalled))
  return { clock, seen, watch }
}

test('an agent with attempts and no progress has stalled; progress ends that', () => {
  const { clock, seen, watch } = start()
  watch.begin()
  clock.advance(AGENT_STALLS_AFTER - 1)
  watch.begin()
  assert.equal(watch.stalled, false)
  clock.advance(1)
  assert.equal(watch.stalled, true, 'a new attempt is no progress')
  watch.progress()
  assert.deepEqual(seen, [true, false])
  clock.advance(AGENT_STALLS_AFTER)
  assert.deepEqual(seen, [true, false, true], 'it is watched again')
})

test('an agent that makes progress, or has nothing to do, does not stall', () => {
  const { clock, seen, watch } = start()
  watch.begin()
  for (let count = 0; count < 20; count += 1) {
    clock.advance(AGENT_STALLS_AFTER - 1)
    watch.progress()
  }
  watch.over()
  clock.advance(10 * AGENT_STALLS_AFTER)
  watch.begin()
  clock.advance(AGENT_STALLS_AFTER - 1)
  assert.deepEqual(seen, [])
})

test('an agent that is gone is watched no more', () => {
  const { clock, seen, watch } = start()
  watch.begin()
  watch.stop()
  clock.advance(10 * AGENT_STALLS_AFTER)
  assert.deepEqual(seen, [])
})
