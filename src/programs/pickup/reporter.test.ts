import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../../test/support/manual-clock.ts'
import type { LogEvent } from '../../io/log.ts'
import { Reporter } from './reporter.ts'

const FINDING = { uid: 1, why: 'it is odd', removed: false }

test('what is left lying is reported once, and again when it has changed', () => {
  const events: LogEvent[] = []
  const reporter = new Reporter({ write: (event) => events.push(event) }, manualClock())
  reporter.report('a', FINDING)
  reporter.report('a', FINDING)
  reporter.report('a', { ...FINDING, why: 'it is odder' })
  assert.equal(events.length, 2)
})

test('a hundred reports a minute, and then how many more there were', () => {
  const events: LogEvent[] = []
  const clock = manualClock()
  const reporter = new Reporter({ write: (event) => events.push(event) }, clock)
  for (let at = 0; at < 1_000; at += 1) reporter.report(`${at}`, { ...FINDING, removed: true })
  assert.equal(events.length, 100)
  clock.advance(60_000)
  reporter.report('b', FINDING)
  assert.deepEqual(events[100], { event: 'not-messages', fields: { more: 900 } })
})
