import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecipientAnswer } from '../../contracts/submission.ts'
import { KnownRecipients } from './known-recipients.ts'

function recipients(kind: RecipientAnswer['kind'], most = 10) {
  const asked: string[] = []
  const clock = { now: 0 }
  const known = new KnownRecipients({
    ask: async (address) => {
      asked.push(address)
      await Promise.resolve()
      return { kind, because: 'x' }
    },
    now: () => clock.now,
    most,
  })
  return { known, asked, clock }
}

test('what is known is answered at once for a minute, then asked again', async () => {
  const { known, asked, clock } = recipients('known')
  assert.equal((await known.recipient('a')).kind, 'known')
  assert.deepEqual(known.recipient('a'), { kind: 'known', because: 'x' })
  clock.now = 59_999
  assert.deepEqual(known.recipient('a'), { kind: 'known', because: 'x' })
  clock.now = 60_000
  assert.ok(known.recipient('a') instanceof Promise)
  assert.deepEqual(asked, ['a', 'a'])
})

test('a refusal is remembered for ten seconds only', async () => {
  const { known, clock } = recipients('unknown')
  await known.recipient('a')
  clock.now = 9_999
  assert.deepEqual(known.recipient('a'), { kind: 'unknown', because: 'x' })
  clock.now = 10_000
  assert.ok(known.recipient('a') instanceof Promise)
})

test('uncertainty is not remembered', async () => {
  const { known } = recipients('unsure')
  await known.recipient('a')
  assert.ok(known.recipient('a') instanceof Promise)
})

test('the answer unused for the longest time goes first', async () => {
  const { known, asked } = recipients('known', 2)
  await known.recipient('a')
  await known.recipient('b')
  await known.recipient('a')
  await known.recipient('c')
  await known.recipient('a')
  await known.recipient('b')
  assert.deepEqual(asked, ['a', 'b', 'c', 'b'])
})
