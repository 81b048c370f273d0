/**
 * Conformance: what operators see and do.
 */

import assert from 'node:assert/strict'
import type { Case } from './conformance-support.ts'
import {
  accept,
  claimOne,
  deferred,
  deliverAll,
  failed,
  LANE,
  NOW,
  recipient,
} from './conformance-support.ts'
import type { QueueStore } from './store.ts'

const HOUR = 3_600_000

export const operatorCases: Readonly<Record<string, Case>> = {
  'counts follow arrival, claim and delivery': async (store) => {
    await accept(store, { recipients: [recipient('a@example.org'), recipient('b@example.org')] })
    await claimOne(store)
    assert.deepEqual(await store.counts(NOW + 5_000), {
      messages: 1,
      recipients: 2,
      held: 0,
      attempting: 1,
      oldestSeconds: 5,
    })
  },
  'a listing goes on where it stopped and shows each message once': async (store) => {
    const ids: string[] = []
    for (let n = 0; n < 7; n++) ids.push(await accept(store, {}))
    assert.deepEqual(await listAll(store, {}, 3), ids)
  },
  'a listing names ten recipients of a message and counts all': async (store) => {
    const recipients = Array.from({ length: 25 }, (_, n) => recipient(`u${n}@example.org`))
    const queueId = await accept(store, { recipients })
    const { messages } = await store.list({ selection: {}, limit: 10 })
    assert.equal(messages[0]?.recipients.length, 10)
    assert.equal(messages[0]?.recipientCount, 25)
    assert.equal((await store.show(queueId))?.recipients.length, 25)
    assert.equal(await store.show('0000000000'), undefined)
    assert.equal(await store.show('no id'), undefined)
  },
  'a listing tells each recipient as waiting, attempting or failed': async (store) => {
    const recipients = ['a', 'b', 'c'].map((name) => recipient(`${name}@example.org`))
    const queueId = await accept(store, { recipients })
    const [a, b] = await store.claim(LANE, 2, NOW)
    assert.ok(a && b)
    await store.settle([failed(a)], NOW)
    const shown = await store.show(queueId)
    const states = shown?.recipients.map(({ state }) => state)
    assert.deepEqual(states, ['failed', 'attempting', 'waiting'])
  },
  'selections by id, sender, recipient and domain disregard case': async (store) => {
    const x = await accept(store, {
      reversePath: 'Boss@Example.COM',
      recipients: [recipient('Ann@Example.org')],
    })
    const y = await accept(store, { recipients: [recipient('bob@example.net')] })
    assert.deepEqual(await listAll(store, { queueId: x }), [x])
    assert.deepEqual(await listAll(store, { queueId: x.toLowerCase() }), [x])
    assert.deepEqual(await listAll(store, { sender: 'boss@example.com' }), [x])
    assert.deepEqual(await listAll(store, { recipient: 'ANN@example.org' }), [x])
    assert.deepEqual(await listAll(store, { domain: 'EXAMPLE.NET' }), [y])
    assert.deepEqual(
      await listAll(store, { domain: 'example.net', sender: 'boss@example.com' }),
      [],
    )
  },
  'retry makes waiting recipients due, in slices, until none is left': async (store) => {
    const recipients = Array.from({ length: 5 }, (_, n) => recipient(`u${n}@example.org`))
    const queueId = await accept(store, { recipients })
    const claims = await store.claim(LANE, 5, NOW)
    await store.settle(
      claims.map((claim) => deferred(claim, NOW + HOUR)),
      NOW,
    )
    assert.equal(await untilNone(() => store.retry({ queueId }, NOW + 1, 2)), 5)
    assert.equal((await store.claim(LANE, 10, NOW + 1)).length, 5)
  },
  'a text that is no queue id selects nothing, and above all not everything': async (store) => {
    await accept(store, {})
    for (const queueId of ['q', '', 'no id', '0000000000', 'ZZZZZZZZZZZZZZZZ']) {
      assert.equal(await store.remove({ queueId }, NOW, 10), 0, queueId)
      assert.equal(await store.retry({ queueId }, NOW + HOUR, 10), 0, queueId)
      assert.deepEqual((await store.list({ selection: { queueId }, limit: 10 })).messages, [])
    }
    assert.equal((await store.counts(NOW)).messages, 1)
    await deliverAll(store)
  },
  'remove takes waiting recipients without a report and passes claimed ones over': async (
    store,
  ) => {
    const recipients = ['a', 'b', 'c'].map((name) => recipient(`${name}@example.org`))
    const queueId = await accept(store, { recipients })
    const claim = await claimOne(store)
    assert.equal(await untilNone(() => store.remove({ queueId }, NOW, 1)), 2)
    assert.equal((await store.show(queueId))?.recipientCount, 1)
    await store.settle([deferred(claim, NOW + HOUR)], NOW)
    assert.equal(await untilNone(() => store.remove({ domain: 'example.org' }, NOW, 1)), 1)
    assert.equal(await store.message(queueId), undefined)
    const story = await eventsOf(store, queueId)
    assert.deepEqual(story.sort(), [
      'accepted',
      'deferred',
      'ended',
      'removed',
      'removed',
      'removed',
    ])
  },
  'events of messages that have left are purged by age, with their keys': async (store) => {
    const gone = await accept(store, { idempotencyKey: 'k' })
    await deliverAll(store, NOW)
    const here = await accept(store, {})
    assert.equal(await store.purgeEvents(NOW, 100), 0)
    assert.equal(await untilNone(() => store.purgeEvents(NOW + 1, 2)), 3)
    assert.deepEqual(await store.events(gone, 10), [])
    assert.equal((await store.events(here, 10)).length, 1)
    assert.notEqual(await accept(store, { idempotencyKey: 'k' }), gone)
  },
  'the latest events are told, in their order': async (store) => {
    const queueId = await accept(store, {})
    await deliverAll(store, NOW)
    const latest = (await store.events(queueId, 2)).map(({ event }) => event)
    assert.deepEqual(latest, ['delivered', 'ended'])
  },
  'after close nothing is answered but with a failure': async (store) => {
    await store.close()
    await assert.rejects(store.counts(NOW), { name: 'StoreFailure' })
    await assert.rejects(accept(store, {}), { name: 'StoreFailure' })
  },
}

async function eventsOf(store: QueueStore, queueId: string): Promise<string[]> {
  return (await store.events(queueId, 100)).map(({ event }) => event)
}

async function untilNone(act: () => Promise<number>): Promise<number> {
  for (let sum = 0; ; ) {
    const count = await act()
    if (count === 0) return sum
    sum += count
  }
}

async function listAll(
  store: QueueStore,
  selection: Parameters<QueueStore['list']>[0]['selection'],
  limit = 10,
): Promise<readonly string[]> {
  const found: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await store.list({ selection, limit, ...(after === undefined ? {} : { after }) })
    assert.ok(page.messages.length <= limit)
    found.push(...page.messages.map(({ queueId }) => queueId))
    if (page.next === undefined) return found
    after = page.next
  }
}
