import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countFailures, restartDelay, wantedPlaces } from './restart.ts'

test('a program that dies is started again at once, then after 1, 2, 4 … 30 seconds', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map(restartDelay)
  assert.deepEqual(delays, [0, 1, 2, 4, 8, 16, 30, 30, 30])
})

test('a program that has lived a minute begins from the start', () => {
  assert.equal(countFailures(5, 59), 6)
  assert.equal(countFailures(5, 60), 1)
})

test('the queue comes first, and receivers and remotes are as many as the settings say', () => {
  const log = { to: { kind: 'stderr' }, format: 'text', keepEvents: 0 } as const
  const paths = { queue: '/q', drop: '/d', run: '/r' }
  const places = wantedPlaces({
    smtp: [],
    paths,
    receivers: 2,
    remotes: 1,
    log,
    finishWithin: 0,
  }).map(({ program, index }) => `${program}.${index}`)
  assert.deepEqual(places, [
    'queue.0',
    'launcher.0',
    'receiver.0',
    'receiver.1',
    'pickup.0',
    'remote.0',
    'console.0',
  ])
})
