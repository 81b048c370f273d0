import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LONGEST_PAYLOAD } from '../../contracts/frame.ts'
import type { SubmissionCommit } from '../../contracts/submission.ts'
import { recipientBatch } from '../../contracts/submission.ts'
import { batchesOf, concernsEverybody, contractProblem } from './outgoing.ts'

const COMMIT: SubmissionCommit = {
  reversePath: 'a@b.c',
  prepend: '',
  origin: { via: 'drop', uid: 1000 },
  body: '7bit',
  smtputf8: false,
}

suite('what is handed over', () => {
  test('recipients travel in records that the contract and the connection allow', () => {
    const address = `"${String.raw`\"`.repeat(256)}"@${'x.'.repeat(127)}x`
    const recipients = Array.from({ length: 120 }, () => ({
      address,
      notify: ['success', 'failure', 'delay'] as const,
    }))
    const batches = [...batchesOf(recipients)]
    for (const batch of batches) {
      assert.ok(recipientBatch(batch).ok)
      assert.ok(Buffer.byteLength(JSON.stringify(batch)) <= LONGEST_PAYLOAD)
    }
    assert.deepEqual(
      batches.flatMap((batch) => batch.recipients),
      recipients,
    )
  })

  test('what breaks the contract is known before it is sent', () => {
    assert.equal(contractProblem([{ address: 'a@b.c' }], COMMIT), undefined)
    assert.match(contractProblem([{ address: 'x'.repeat(901) }], COMMIT) ?? '', /^recipient/)
    const long = { ...COMMIT, reversePath: 'x'.repeat(901) }
    assert.match(contractProblem([], long) ?? '', /^reversePath/)
    assert.match(contractProblem([], { ...COMMIT, prepend: 'x'.repeat(20_001) }) ?? '', /^prepend/)
  })
})

test('only a full disk and too much to do concern everybody, and a large message no other', () => {
  assert.ok(concernsEverybody('4.3.1', 4_000))
  assert.ok(concernsEverybody('4.3.2', 4_000))
  assert.ok(!concernsEverybody('4.3.2', 60_000_000))
  assert.ok(!concernsEverybody('4.3.1', 60_000_000))
  assert.ok(!concernsEverybody('4.3.0', 4_000))
  assert.ok(!concernsEverybody('4.1.8', 4_000))
})
