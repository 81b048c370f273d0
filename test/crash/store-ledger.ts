/**
 * What the victim sends, and what a queue must be like after any crash.
 */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { bytesOf } from '../../src/programs/queue/store/conformance-support.ts'
import { openSqliteStore } from '../../src/programs/queue/store/sqlite.ts'

export const LIST_RECIPIENTS = 2_500
const SIZES: Readonly<Record<string, number>> = { large: 200_000 }

/** The content of a message that bears this name. */
export function contentOf(name: string): Buffer {
  return Buffer.concat([
    Buffer.from(`Subject: ${name}\n\n`),
    Buffer.alloc(SIZES[name] ?? 3_000, `body of ${name}\n`),
  ])
}

export interface Found {
  readonly recipients: number
  readonly whole: boolean
}

/** Opens what a crash left, lets it recover, and tells which messages it holds. */
export async function recoverAndRead(directory: string): Promise<ReadonlyMap<string, Found>> {
  const store = await openSqliteStore({ directory, keepFree: 0 })
  while ((await store.recover(500)) > 0);
  const found = new Map<string, Found>()
  const { messages } = await store.list({ selection: {}, limit: 1_000 })
  for (const { queueId, recipientCount } of messages) {
    const bytes = await bytesOf(store, queueId)
    const name = /^Subject: (\S+)/m.exec(bytes.subarray(0, 200).toString())?.[1] ?? '?'
    const whole = name === 'report' || bytes.equals(arrived(name))
    found.set(name, { recipients: recipientCount, whole })
  }
  await store.close()
  return found
}

function arrived(name: string): Buffer {
  return Buffer.concat([Buffer.from('Received: test\n'), contentOf(name)])
}

/** After recovery: every row belongs to something, every file to a row, and the counts are right. */
export function assertConsistent(directory: string): void {
  const database = new DatabaseSync(join(directory, 'queue.sqlite'))
  const number = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0])
  const none = (sql: string) => assert.equal(number(`SELECT count(*) FROM ${sql}`), 0, sql)
  assert.deepEqual(
    { ...database.prepare('PRAGMA integrity_check').get() },
    { integrity_check: 'ok' },
  )
  none('message WHERE state <> 2')
  none('content WHERE refs = 0')
  none('content WHERE refs <> (SELECT count(*) FROM message WHERE content = content.id)')
  none('message WHERE content <> 0 AND content NOT IN (SELECT id FROM content)')
  none('recipient WHERE state = 3 OR message NOT IN (SELECT id FROM message)')
  none('message WHERE remaining <> (SELECT count(*) FROM recipient WHERE message = message.id)')
  none(`recipient WHERE state = 0 AND due_at <
        coalesce((SELECT next_due FROM lane WHERE name = recipient.lane), 9e15)`)
  none('tally WHERE messages <> (SELECT count(*) FROM message)')
  none('tally WHERE recipients <> (SELECT count(*) FROM recipient)')
  const filed = number('SELECT count(*) FROM content WHERE filed = 1')
  const entries = readdirSync(join(directory, 'content'), { recursive: true, withFileTypes: true })
  assert.equal(entries.filter((entry) => entry.isFile()).length, filed, 'content files')
  database.close()
}
