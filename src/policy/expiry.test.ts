import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deferred } from '../contracts/outcome.ts'
import { concludeAttempt, isLastAttempt } from './expiry.ts'

const LAST = { last: true, because: 'test' }
const deferred = (status: Deferred['status']): Deferred => ({
  kind: 'deferred',
  status,
  text: 'Not now.',
})

const TABLE = [
  { age: 3000, lifetime: 3000, last: false, why: 'the comparison is strict' },
  { age: 3001, lifetime: 3000, last: true, why: 'one second past' },
  { age: 0.9, lifetime: 0, last: false, why: 'RS-9 the first attempt at once is not the last' },
  { age: 1, lifetime: 0, last: true, why: 'RS-9 one second after arrival it is' },
  { age: -50, lifetime: 0, last: false, why: 'a message from the future is young' },
]
for (const { age, lifetime, last, why } of TABLE) {
  test(`an attempt at age ${age} with lifetime ${lifetime}: last is ${last}, ${why}`, () => {
    const decided = isLastAttempt({ arrivedAt: 1e9, startedAt: 1e9 + age * 1000 }, lifetime)
    assert.equal(decided.last, last)
    assert.match(decided.because, /retry.lifetime/)
  })
}

test('a last attempt put off has failed, with a sentence that says so', () => {
  const outcome = concludeAttempt(deferred('4.4.1'), LAST)
  assert.equal(outcome.kind, 'failed')
  assert.equal(outcome.status, '5.4.7')
  assert.match(outcome.text, /^Not now\. .*no more attempts/)
})

test('what is known of the mailbox stays told when the time is over', () => {
  assert.equal(concludeAttempt(deferred('4.2.2'), LAST).status, '5.2.2')
  assert.equal(concludeAttempt(deferred('4.7.1'), LAST).status, '5.7.1')
  assert.equal(concludeAttempt(deferred('4.3.0'), LAST).status, '5.4.7')
})

test('an attempt that is not the last, or not put off, is left as it is', () => {
  const delivered = { kind: 'delivered', status: '2.0.0', text: 'stored' } as const
  assert.equal(concludeAttempt(delivered, LAST), delivered)
  const outcome = deferred('4.4.1')
  assert.equal(concludeAttempt(outcome, { last: false, because: '' }), outcome)
})
