/**
 * What every engine must do: the contract of store.ts, case by case. Each case gets a fresh, empty
 * store and is a sentence about behaviour.
 */

import assert from 'node:assert/strict'
import type { Outcome } from '../../../contracts/outcome.ts'
import type { NewRecipient } from '../../../contracts/submission.ts'
import { operatorCases } from './conformance-operators.ts'
import { reportCases } from './conformance-reports.ts'
import type { Case } from './conformance-support.ts'
import {
  accept,
  bytesOf,
  claimAll,
  claimOne,
  commitRequest,
  deferred,
  deliverAll,
  delivered,
  LANE,
  NOW,
  recipient,
} from './conformance-support.ts'
import type { QueueStore, RoutedRecipient } from './store.ts'

const HOUR = 3_600_000

const arrivalCases: Readonly<Record<string, Case>> = {
  'an arrival that is not committed exists for nobody': async (store) => {
    const arrival = store.arrive()
    await arrival.write(Buffer.from('x'))
    await arrival.addRecipients([recipient('a@example.org')])
    assert.equal(await store.message(arrival.queueId), undefined)
    assert.deepEqual(await store.dueLanes(NOW, 10), [])
    assert.equal((await store.counts(NOW)).messages, 0)
    await arrival.abort()
    assert.equal((await store.counts(NOW)).messages, 0)
  },
  'an aborted arrival can be neither written nor committed': async (store) => {
    const arrival = store.arrive()
    await arrival.abort()
    await assert.rejects(arrival.write(Buffer.from('x')))
    await assert.rejects(arrival.commit(commitRequest()))
  },
  'an abort while something is being written leaves nothing and harms nobody': async (store) => {
    const arrival = store.arrive()
    const written = arrival.write(Buffer.alloc(200_000))
    await Promise.allSettled([written, arrival.abort()])
    await assert.rejects(arrival.write(Buffer.from('more')))
    await accept(store, {})
    assert.equal((await store.counts(NOW)).messages, 1)
  },
  'a committed message has its envelope, its content behind what was prepended, and a story':
    async (store) => {
      const queueId = await accept(store, { content: 'Subject: x\n\nhello\n' })
      const message = await store.message(queueId)
      assert.equal(message?.reversePath, 'sender@example.com')
      assert.deepEqual(message?.origin, commitRequest().origin)
      assert.equal(message?.body, '8bitmime')
      assert.equal(message?.envelopeId, 'id+2B1')
      const bytes = await bytesOf(store, queueId)
      assert.equal(bytes.toString(), 'Received: test\nSubject: x\n\nhello\n')
      assert.equal(message?.size, bytes.length)
      const [event] = await store.events(queueId, 10)
      assert.equal(event?.event, 'accepted')
      assert.match(event?.text ?? '', /from=<sender@example.com>.*client=192\.0\.2\.1/)
    },
  'contents of every size come back byte for byte, in pieces of at most 64 KiB': async (store) => {
    for (const size of [0, 1, 4_096, 65_535, 65_536, 65_537, 300_001]) {
      const content = Buffer.alloc(size, `${size} bytes of content, `)
      const queueId = await accept(store, { content, chunk: 30_000 })
      const bytes = await bytesOf(store, queueId)
      assert.ok(bytes.equals(Buffer.concat([Buffer.from('Received: test\n'), content])), `${size}`)
    }
  },
  'queue ids grow in the order of arrival': async (store) => {
    const ids = Array.from({ length: 1_000 }, () => store.arrive().queueId)
    assert.deepEqual([...new Set(ids)].sort(), ids)
    assert.ok(ids.every((id) => /^[0-9A-HJKMNP-TV-Z]{10,}$/.test(id)))
  },
  'a second commit under a key answers the first queue id and queues nothing': async (store) => {
    const idempotencyKey = 'device 1 inode 2'
    const first = await accept(store, { idempotencyKey })
    const large = Buffer.alloc(100_000, 'again')
    assert.equal(await accept(store, { idempotencyKey, content: large }), first)
    assert.equal((await store.counts(NOW)).messages, 1)
    await deliverAll(store, NOW)
    assert.equal(await accept(store, { idempotencyKey }), first)
    assert.equal((await store.counts(NOW)).messages, 0)
  },
  'of two commits under one key in the same turn one is queued': async (store) => {
    const both = [1, 2].map(() => accept(store, { idempotencyKey: 'k' }))
    const [first, second] = await Promise.all(both)
    assert.equal(first, second)
    assert.equal((await store.counts(NOW)).messages, 1)
  },
  'a commit without recipients is refused and takes no neighbour along': async (store) => {
    const nobody = store.arrive()
    const outcomes = await Promise.allSettled([
      accept(store, {}),
      nobody.commit(commitRequest()),
      accept(store, {}),
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal((await store.counts(NOW)).messages, 2)
  },
  'thousands of recipients added in batches are all due after the commit': async (store) => {
    const recipients = Array.from({ length: 3_500 }, (_, n) =>
      recipient(`user${n}@example.org`, n % 2 === 0 ? 'remote/even' : 'remote/odd'),
    )
    const queueId = await accept(store, { recipients, batch: 700 })
    assert.deepEqual((await store.dueLanes(NOW, 10)).map(({ lane }) => lane).sort(), [
      'remote/even',
      'remote/odd',
    ])
    assert.equal((await store.counts(NOW)).recipients, 3_500)
    const claimed = await claimAll(store, NOW)
    assert.equal(new Set(claimed.map(({ address }) => address)).size, 3_500)
    await store.settle(claimed.map(delivered), NOW)
    assert.equal(await store.message(queueId), undefined)
  },
  'an aborted arrival of thousands of recipients leaves nothing': async (store) => {
    const arrival = store.arrive()
    const many = Array.from({ length: 3_500 }, (_, n) => recipient(`user${n}@example.org`))
    await arrival.addRecipients(many)
    await arrival.write(Buffer.alloc(100_000))
    await arrival.abort()
    assert.deepEqual(await store.dueLanes(NOW, 10), [])
    assert.equal(await store.nextDueAfter(0), undefined)
  },
}

const laneCases: Readonly<Record<string, Case>> = {
  'due lanes come the longest due first, and no more than asked for': async (store) => {
    for (const [n, lane] of ['c', 'a', 'b'].entries()) {
      await accept(store, { recipients: [recipient('x@example.org', lane)], now: NOW + n })
    }
    const lanes = await store.dueLanes(NOW + 10, 2)
    assert.deepEqual(lanes, [
      { lane: 'c', dueAt: NOW },
      { lane: 'a', dueAt: NOW + 1 },
    ])
    assert.deepEqual(await store.dueLanes(NOW - 1, 10), [])
    assert.equal((await store.dueLanes(NOW + 1, 10)).length, 2)
  },
  'a lane whose due recipients are all claimed is not due': async (store) => {
    await accept(store, { recipients: [recipient('a@example.org'), recipient('b@example.org')] })
    await store.claim(LANE, 1, NOW)
    assert.equal((await store.dueLanes(NOW, 10)).length, 1)
    await store.claim(LANE, 1, NOW)
    assert.deepEqual(await store.dueLanes(NOW, 10), [])
  },
  'a lane is due again when its deferred recipient is, and not before': async (store) => {
    await accept(store, {})
    const claim = await claimOne(store)
    await store.settle([deferred(claim, NOW + HOUR)], NOW)
    assert.deepEqual(await store.dueLanes(NOW + HOUR - 1, 10), [])
    assert.equal(await store.nextDueAfter(NOW), NOW + HOUR)
    assert.equal(await store.nextDueAfter(NOW + HOUR), undefined)
    assert.deepEqual(await store.dueLanes(NOW + HOUR, 10), [{ lane: LANE, dueAt: NOW + HOUR }])
  },
  'the next due time is found behind recipients that are due or claimed now': async (store) => {
    await accept(store, { recipients: [recipient('a@example.org'), recipient('b@example.org')] })
    const claim = await claimOne(store)
    await store.settle([deferred(claim, NOW + 5_000)], NOW)
    assert.equal(await store.nextDueAfter(NOW), NOW + 5_000)
    await claimOne(store)
    assert.equal(await store.nextDueAfter(NOW), NOW + 5_000)
  },
  'a lane that has emptied is forgotten and can be used again': async (store) => {
    for (let round = 0; round < 3; round++) {
      await accept(store, {})
      await deliverAll(store, NOW)
      assert.deepEqual(await store.dueLanes(NOW, 10), [])
      assert.equal(await store.nextDueAfter(0), undefined)
    }
  },
}

const claimCases: Readonly<Record<string, Case>> = {
  'recipients are claimed once, by due time, those of a message together': async (store) => {
    const two = (name: string) => [1, 2].map((n) => recipient(`${name}${n}@example.org`))
    await accept(store, { recipients: two('b'), now: NOW + 1 })
    await accept(store, { recipients: two('a'), now: NOW })
    const first = await store.claim(LANE, 3, NOW + 1)
    assert.deepEqual(addresses(first), ['a1@example.org', 'a2@example.org', 'b1@example.org'])
    assert.deepEqual(addresses(await store.claim(LANE, 3, NOW + 1)), ['b2@example.org'])
    assert.deepEqual(await store.claim(LANE, 3, NOW + 1), [])
  },
  'a claim tells what the sender asked for and how often it was tried': async (store) => {
    const originalRecipient = 'rfc822;A+2B@example.org'
    const notify: NewRecipient['notify'] = ['success', 'delay']
    await accept(store, {
      recipients: [{ ...recipient('a@example.org'), originalRecipient, notify }],
    })
    const claim = await claimOne(store)
    assert.equal(claim.originalRecipient, originalRecipient)
    assert.deepEqual([...(claim.notify ?? [])].sort(), ['delay', 'success'])
    assert.equal(claim.attempts, 0)
    assert.equal(claim.lane, LANE)
    await store.settle([deferred(claim, NOW)], NOW)
    assert.equal((await claimOne(store)).attempts, 1)
  },
  'a released recipient waits again without an attempt and without an event': async (store) => {
    const queueId = await accept(store, {})
    const claim = await claimOne(store)
    await store.settle([{ id: claim.id, kind: 'released', nextAttemptAt: NOW + 10 }], NOW)
    assert.deepEqual(await store.claim(LANE, 1, NOW), [])
    const [again] = await store.claim(LANE, 1, NOW + 10)
    assert.equal(again?.attempts, 0)
    assert.equal((await store.events(queueId, 10)).length, 1)
  },
  'two claims in one turn never get the same recipient': async (store) => {
    await accept(store, { recipients: [recipient('a@example.org'), recipient('b@example.org')] })
    const [one, two] = await Promise.all([store.claim(LANE, 1, NOW), store.claim(LANE, 2, NOW)])
    assert.deepEqual([...addresses(one), ...addresses(two)], ['a@example.org', 'b@example.org'])
  },
}

const settleCases: Readonly<Record<string, Case>> = {
  'the last delivery ends a message and its content, and its story stays': async (store) => {
    const queueId = await accept(store, {
      recipients: [recipient('a@example.org'), recipient('b@example.org')],
    })
    const [a, b] = await store.claim(LANE, 2, NOW)
    assert.ok(a && b)
    assert.deepEqual(await store.settle([delivered(a)], NOW), [])
    assert.notEqual(await store.message(queueId), undefined)
    await store.settle([delivered(b)], NOW)
    assert.equal(await store.message(queueId), undefined)
    await assert.rejects(bytesOf(store, queueId))
    assert.deepEqual(await eventsOf(store, queueId), [
      'accepted',
      'delivered',
      'delivered',
      'ended',
    ])
    assert.equal((await store.counts(NOW)).recipients, 0)
  },
  'an event tells recipient, status, host and reply': async (store) => {
    const queueId = await accept(store, {})
    const { id } = await claimOne(store)
    const outcome: Outcome = {
      kind: 'deferred',
      status: '4.2.2',
      text: 'over quota',
      host: 'mx.example.org [192.0.2.9]:25',
      reply: '452 4.2.2 over\nquota',
    }
    await store.settle([{ id, kind: 'deferred', outcome, nextAttemptAt: NOW + 1 }], NOW)
    const event = (await store.events(queueId, 1))[0]
    assert.equal(event?.recipient, 'user@example.org')
    assert.equal(
      event?.text,
      'status 4.2.2 host=mx.example.org [192.0.2.9]:25 reply=452 4.2.2 over quota text=over quota',
    )
    const shown = await store.show(queueId)
    assert.match(shown?.recipients[0]?.lastText ?? '', /^status 4\.2\.2/)
  },
  'settling twice, or what nobody has claimed, changes nothing': async (store) => {
    const queueId = await accept(store, {})
    const claim = await claimOne(store)
    await store.settle([deferred(claim, NOW)], NOW)
    await store.settle([delivered(claim), delivered({ id: 999_999 })], NOW)
    assert.notEqual(await store.message(queueId), undefined)
  },
  'content can still be read to its end when the message ends meanwhile': async (store) => {
    const content = Buffer.alloc(200_000, 'still here ')
    const queueId = await accept(store, { content })
    const pieces: Uint8Array[] = []
    for await (const piece of store.readContent(queueId)) {
      pieces.push(piece)
      if (pieces.length === 1) await deliverAll(store, NOW)
    }
    const bytes = Buffer.concat(pieces)
    assert.ok(bytes.subarray(-content.length).equals(content))
    assert.equal(await store.message(queueId), undefined)
  },
}

export const CONFORMANCE: Readonly<Record<string, Case>> = {
  ...arrivalCases,
  ...laneCases,
  ...claimCases,
  ...settleCases,
  ...reportCases,
  ...operatorCases,
}

function addresses(recipients: readonly Pick<RoutedRecipient, 'address'>[]): readonly string[] {
  return recipients.map(({ address }) => address)
}

async function eventsOf(store: QueueStore, queueId: string): Promise<string[]> {
  return (await store.events(queueId, 100)).map(({ event }) => event)
}
