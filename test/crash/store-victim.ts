/**
 * A process that uses a queue and is killed before its nth durable step. Says on descriptor 1, line by
 * line, what it has been promised.
 *
 *     node store-victim.ts DIRECTORY N
 */

import { writeSync } from 'node:fs'
import {
  accept,
  claimAll,
  delivered,
  failed,
  NOW,
  recipient,
} from '../../src/programs/queue/store/conformance-support.ts'
import { openSqliteStore } from '../../src/programs/queue/store/sqlite.ts'
import { contentOf, LIST_RECIPIENTS } from './store-ledger.ts'

const [directory = '', killBefore = '0'] = process.argv.slice(2)
let stepsLeft = Number(killBefore)

const store = await openSqliteStore({
  directory,
  keepFree: 0,
  before: () => {
    if (--stepsLeft === 0) process.kill(process.pid, 'SIGKILL')
  },
})

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function send(name: string, recipients: Parameters<typeof accept>[1]['recipients']) {
  const mail = { content: contentOf(name), chunk: 50_000, idempotencyKey: name }
  await accept(store, { ...mail, recipients: recipients ?? [] })
  say(`accepted ${name}`)
}

await send('small', [recipient('small@example.org', 'small')])
await send('large', [recipient('large@example.org', 'large')])
await send(
  'list',
  Array.from({ length: LIST_RECIPIENTS }, (_, n) => recipient(`u${n}@example.org`, 'list')),
)

const [large] = await store.claim('large', 1, NOW)
say('delivering large')
if (large !== undefined) await store.settle([delivered(large)], NOW)
say('delivered large')

const [small] = await store.claim('small', 1, NOW)
say('failing small')
if (small !== undefined) await store.settle([failed(small)], NOW)
if (small !== undefined) {
  const report = {
    reversePath: '',
    recipients: [recipient('sender@example.com', 'reports')],
    prepend: Buffer.from('Subject: report\n'),
    append: Buffer.from('end\n'),
    shares: small.queueId,
    body: '7bit' as const,
    smtputf8: false,
    now: NOW,
  }
  const event = { at: NOW, event: 'reported', text: '' }
  await store.report({ queueId: small.queueId, ids: [small.id], report, event })
}
say('reported small')

say('delivering list')
await store.settle((await claimAll(store)).map(delivered), NOW)
await store.close()
say('done')
