import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { CONFORMANCE } from './conformance.ts'
import { NOW } from './conformance-support.ts'
import type { MemoryOptions } from './memory.ts'
import { openMemoryStore } from './memory.ts'
import { openSqliteStore } from './sqlite.ts'
import type { QueueStore } from './store.ts'

suite('the SQLite engine', () => {
  for (const [name, check] of Object.entries(CONFORMANCE)) {
    test(name, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'postern-queue-'))
      try {
        const store = await openSqliteStore({ directory, keepFree: 0 })
        await check(store)
        await store.close()
        const again = await openSqliteStore({ directory, keepFree: 0 })
        await removeEverything(again)
        await again.close()
        await assertNothingIsLeft(directory)
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  }
})

const MEMORY: Readonly<Record<string, MemoryOptions>> = {
  'the memory engine': {},
  'the memory engine, late and out of order': { seed: 7, lateTurns: 5 },
}
for (const [engine, options] of Object.entries(MEMORY)) {
  suite(engine, () => {
    for (const [name, check] of Object.entries(CONFORMANCE)) {
      test(name, async () => {
        const store = await openMemoryStore(options)
        await check(store)
        await store.close()
      })
    }
  })
}

async function removeEverything(store: QueueStore): Promise<void> {
  while ((await store.recover(1_000)) > 0);
  while ((await store.remove({}, NOW, 1_000)) > 0);
  for (const queueId of await store.reportable(Number.MAX_SAFE_INTEGER, 1_000)) {
    const ids = (await store.reportableRecipients(queueId, 10_000)).map(({ id }) => id)
    await store.report({ queueId, ids, event: { at: NOW, event: 'discarded', text: '' } })
  }
  while ((await store.purgeEvents(Number.MAX_SAFE_INTEGER, 1_000)) > 0);
  await store.dueLanes(Number.MAX_SAFE_INTEGER, 1_000)
  await store.purgeEvents(0, 1)
}

/** There are no foreign keys; this is what they would say. */
async function assertNothingIsLeft(directory: string): Promise<void> {
  const database = new DatabaseSync(join(directory, 'queue.sqlite'))
  for (const table of ['content', 'message', 'recipient', 'lane', 'event', 'idempotency']) {
    const { rows } = database.prepare(`SELECT count(*) AS rows FROM ${table}`).get() ?? {}
    assert.equal(rows, 0, `rows left in ${table}`)
  }
  const tally = database.prepare('SELECT messages, recipients, held FROM tally').get()
  assert.deepEqual({ ...tally }, { messages: 0, recipients: 0, held: 0 })
  database.close()
  const files = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  assert.deepEqual(
    files.filter((entry) => entry.isFile()).map(({ name }) => name),
    [],
  )
}
