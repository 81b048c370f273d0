/**
 * Conformance: recipients that have failed, and the reports about them.
 */

import assert from 'node:assert/strict'
import type { Case } from './conformance-support.ts'
import {
  accept,
  bytesOf,
  claimOne,
  deferred,
  deliverAll,
  delivered,
  failed,
  LANE,
  NOW,
  recipient,
} from './conformance-support.ts'
import type { QueueId, QueueStore, ReportMessage } from './store.ts'

const HOUR = 3_600_000
const REPORTED = { at: NOW, event: 'reported', text: 'to sender@example.com' } as const

export const reportCases: Readonly<Record<string, Case>> = {
  'a failed recipient is reportable, with all a report needs': async (store) => {
    const originalRecipient = 'rfc822;x@example.org'
    const queueId = await accept(store, {
      recipients: [{ ...recipient('a@example.org'), originalRecipient, notify: ['failure'] }],
    })
    const claim = await claimOne(store)
    assert.deepEqual(await store.settle([failed(claim)], NOW), [queueId])
    assert.deepEqual(await store.reportableRecipients(queueId, 10), [
      {
        id: claim.id,
        address: 'a@example.org',
        originalRecipient,
        notify: ['failure'],
        outcome: { kind: 'failed', status: '5.1.1', text: 'no such user' },
      },
    ])
    assert.deepEqual(await store.dueLanes(NOW + HOUR, 10), [])
  },
  'a delivery is reportable if the sender asked to be told of success': async (store) => {
    const queueId = await accept(store, {
      recipients: [{ ...recipient('a@example.org'), notify: ['success'] }],
    })
    assert.deepEqual(await store.settle([delivered(await claimOne(store))], NOW), [queueId])
    const [reportable] = await store.reportableRecipients(queueId, 10)
    assert.equal(reportable?.outcome.kind, 'delivered')
  },
  'a report waits for the recipients that are claimed or due, not for deferred ones': async (
    store,
  ) => {
    const recipients = ['a', 'b', 'c'].map((name) => recipient(`${name}@example.org`))
    const queueId = await accept(store, { recipients })
    const [a, b] = await store.claim(LANE, 2, NOW)
    assert.ok(a && b)
    assert.deepEqual(await store.settle([failed(a)], NOW), [])
    assert.deepEqual(await store.reportable(NOW, 10), [])
    assert.deepEqual(await store.settle([deferred(b, NOW + HOUR)], NOW), [])
    const c = await claimOne(store)
    assert.deepEqual(await store.settle([deferred(c, NOW + HOUR)], NOW), [queueId])
    assert.deepEqual(await store.reportable(NOW, 10), [queueId])
  },
  'so it is for a message with thousands of recipients': async (store) => {
    const recipients = Array.from({ length: 2_500 }, (_, n) => recipient(`u${n}@example.org`))
    const queueId = await accept(store, { recipients })
    const claims = await store.claim(LANE, 2_500, NOW)
    const [first, ...others] = claims
    assert.ok(first)
    assert.deepEqual(await store.settle([failed(first)], NOW), [])
    const later = others.map((claim) => deferred(claim, NOW + HOUR))
    assert.deepEqual(await store.settle(later, NOW), [queueId])
    assert.deepEqual(await store.reportable(NOW + HOUR, 10), [])
  },
  'a report and the end of what it tells are one step': async (store) => {
    const queueId = await failOne(store)
    const ids = await reportableIds(store, queueId)
    const report = reportMessage({ shares: queueId })
    const reportId = await store.report({ queueId, ids, report, event: REPORTED })
    assert.ok(reportId)
    assert.equal(await store.message(queueId), undefined)
    const message = await store.message(reportId)
    assert.equal(message?.reversePath, '')
    assert.deepEqual(message?.origin, { via: 'report' })
    assert.equal(
      (await bytesOf(store, reportId)).toString(),
      'before\nReceived: test\nhello\nafter\n',
    )
    const story = await store.events(queueId, 10)
    const told = story.filter(({ event }) => event === 'reported')
    assert.deepEqual(told, [{ ...REPORTED, recipient: 'user@example.org' }])
  },
  'a report shares a large content after the message has ended, and ends it': async (store) => {
    const content = Buffer.alloc(150_000, 'large ')
    const queueId = await failOne(store, content)
    const ids = await reportableIds(store, queueId)
    const report = reportMessage({ shares: queueId })
    const reportId = await store.report({ queueId, ids, report, event: REPORTED })
    assert.ok(reportId)
    const bytes = await bytesOf(store, reportId)
    assert.ok(bytes.includes(content))
    assert.equal((await store.message(reportId))?.size, bytes.length)
    await deliverAll(store, NOW)
    assert.equal((await store.counts(NOW)).messages, 0)
  },
  'a report of a report holds both': async (store) => {
    const first = await failOne(store)
    const report = reportMessage({ shares: first })
    const ids = await reportableIds(store, first)
    const second = await store.report({ queueId: first, ids, report, event: REPORTED })
    assert.ok(second)
    const [claim] = await store.claim('local/reports', 1, NOW)
    assert.ok(claim)
    assert.deepEqual(await store.settle([failed(claim)], NOW), [second])
    const third = await store.report({
      queueId: second,
      ids: [claim.id],
      report: reportMessage({ shares: second }),
      event: REPORTED,
    })
    assert.ok(third)
    assert.equal(
      (await bytesOf(store, third)).toString(),
      'before\nbefore\nReceived: test\nhello\nafter\nafter\n',
    )
  },
  'a report without shared content holds its own alone': async (store) => {
    const queueId = await failOne(store)
    const ids = await reportableIds(store, queueId)
    const reportId = await store.report({ queueId, ids, report: reportMessage(), event: REPORTED })
    assert.ok(reportId)
    assert.equal((await bytesOf(store, reportId)).toString(), 'before\nafter\n')
  },
  'with nobody to tell, the recipients end without a report': async (store) => {
    const queueId = await failOne(store)
    const ids = await reportableIds(store, queueId)
    const event = { at: NOW, event: 'discarded', text: 'the null sender' }
    assert.equal(await store.report({ queueId, ids, event }), undefined)
    assert.equal((await store.counts(NOW)).messages, 0)
  },
  'a recipient is reported once, whoever asks twice': async (store) => {
    const queueId = await failOne(store)
    const ids = await reportableIds(store, queueId)
    const request = { queueId, ids, report: reportMessage(), event: REPORTED }
    const answers = await Promise.all([store.report(request), store.report(request)])
    assert.equal(answers.filter((answer) => answer !== undefined).length, 1)
    assert.equal((await store.counts(NOW)).messages, 1)
  },
}

async function failOne(store: QueueStore, content: string | Uint8Array = 'hello\n') {
  const queueId = await accept(store, { content })
  await store.settle([failed(await claimOne(store))], NOW)
  return queueId
}

async function reportableIds(store: QueueStore, queueId: QueueId): Promise<readonly number[]> {
  return (await store.reportableRecipients(queueId, 100)).map(({ id }) => id)
}

function reportMessage(changes: Partial<ReportMessage> = {}): ReportMessage {
  return {
    reversePath: '',
    recipients: [recipient('sender@example.com', 'local/reports')],
    prepend: Buffer.from('before\n'),
    append: Buffer.from('after\n'),
    body: '7bit',
    smtputf8: false,
    now: NOW,
    ...changes,
  }
}
