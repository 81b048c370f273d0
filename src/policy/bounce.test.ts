import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ended } from './bounce.ts'
import { DOUBLE_BOUNCE, reversePathOutside, whoIsTold } from './bounce.ts'

const failed = { kind: 'failed', status: '5.1.1', text: 'no' } as const
const stored = { kind: 'delivered', status: '2.0.0', text: 'stored' } as const
const relayed = { ...stored, host: 'mx.example.net' } as const

const TABLE: readonly {
  readonly from: string
  readonly ended: Ended
  readonly told: string
  readonly why: string
}[] = [
  { from: 'a@b', ended: { outcome: failed }, told: 'sender', why: 'the default is failure' },
  { from: 'a@b', ended: { outcome: failed, notify: ['never'] }, told: 'nobody', why: 'NEVER' },
  {
    from: 'a@b',
    ended: { outcome: failed, notify: ['success'] },
    told: 'nobody',
    why: 'SUCCESS only',
  },
  { from: 'a@b', ended: { outcome: stored }, told: 'nobody', why: 'success is not the default' },
  {
    from: 'a@b',
    ended: { outcome: stored, notify: ['success'] },
    told: 'sender',
    why: 'it was asked for',
  },
  {
    from: 'a@b',
    ended: { outcome: relayed, notify: ['success'] },
    told: 'nobody',
    why: 'the next host tells',
  },
  { from: '', ended: { outcome: failed }, told: 'postmaster', why: 'a report has failed' },
  { from: '', ended: { outcome: stored, notify: ['success'] }, told: 'nobody', why: 'no sender' },
  { from: '', ended: { outcome: failed, notify: ['never'] }, told: 'nobody', why: 'NEVER' },
  { from: DOUBLE_BOUNCE, ended: { outcome: failed }, told: 'nobody', why: 'BN-4 no third report' },
]
for (const { from, ended, told, why } of TABLE) {
  test(`<${from}>, ${ended.outcome.kind}, NOTIFY=${ended.notify?.join(',') ?? 'default'}: ${told}, ${why}`, () => {
    assert.equal(whoIsTold(from, [ended]).kind, told)
  })
}

test('the report to a sender has the null reverse path, that to the postmaster the marked one', () => {
  const single = whoIsTold('a@b', [{ outcome: failed }])
  const double = whoIsTold('', [{ outcome: failed }])
  assert.equal(single.kind === 'sender' ? single.reversePath : undefined, '')
  assert.equal(double.kind === 'postmaster' ? double.reversePath : undefined, DOUBLE_BOUNCE)
})

test('one report tells of all who are to be told of, and of no others', () => {
  const ended: readonly Ended[] = [
    { outcome: failed },
    { outcome: failed, notify: ['never'] },
    { outcome: stored, notify: ['success'] },
  ]
  const decision = whoIsTold('a@b', ended)
  assert.deepEqual(decision.kind === 'sender' ? decision.about : [], [ended[0], ended[2]])
})

test('only what nobody will ever hear of is called lost', () => {
  const triple = whoIsTold(DOUBLE_BOUNCE, [{ outcome: failed }])
  const never = whoIsTold('a@b', [{ outcome: failed, notify: ['never'] }])
  assert.ok(triple.kind === 'nobody' && triple.lost)
  assert.ok(never.kind === 'nobody' && !never.lost)
})

test('the mark of a report about a report never leaves the queue', () => {
  assert.equal(reversePathOutside(DOUBLE_BOUNCE), '')
  assert.equal(reversePathOutside('a@b'), 'a@b')
})
