import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BALLAST_FILE } from './ballast.ts'
import {
  accept,
  bytesOf,
  claimAll,
  claimOne,
  deferred,
  deliverAll,
  delivered,
  failed,
  NOW,
  recipient,
} from './conformance-support.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { DATABASE_FILE } from './sqlite/database.ts'
import type { SqliteOptions } from './sqlite.ts'
import { openSqliteStore } from './sqlite.ts'
import type { QueueStore } from './store.ts'

async function inDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-sqlite-'))
  try {
    await act(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function withStore(
  act: (store: QueueStore, directory: string) => Promise<void>,
  options: Partial<SqliteOptions> = {},
): Promise<void> {
  await inDirectory(async (directory) => {
    const store = await openSqliteStore({ directory, keepFree: 0, ...options })
    try {
      await act(store, directory)
    } finally {
      await store.close()
    }
  })
}

test('a queue opened again holds its messages, and nobody has claimed them', async () => {
  await inDirectory(async (directory) => {
    const content = Buffer.alloc(100_000, 'kept ')
    const first = await openSqliteStore({ directory, keepFree: 0 })
    const queueId = await accept(first, { content, idempotencyKey: 'k' })
    await claimOne(first)
    await first.close()
    const second = await openSqliteStore({ directory, keepFree: 0 })
    assert.equal(await second.recover(100), 0)
    assert.equal((await second.counts(NOW)).attempting, 0)
    assert.ok((await bytesOf(second, queueId)).includes(content))
    assert.equal(await accept(second, { idempotencyKey: 'k' }), queueId)
    assert.equal((await claimAll(second)).length, 1)
    await second.close()
  })
})

test('messages that were reportable before a restart are found again', async () => {
  await inDirectory(async (directory) => {
    const first = await openSqliteStore({ directory, keepFree: 0 })
    const queueId = await accept(first, {})
    await first.settle([failed(await claimOne(first))], NOW)
    await first.close()
    const second = await openSqliteStore({ directory, keepFree: 0 })
    assert.deepEqual(await second.reportable(NOW, 10), [queueId])
    await second.close()
  })
})

test('a queue can be moved while it is closed', async () => {
  await inDirectory(async (directory) => {
    const here = join(directory, 'here')
    await mkdir(here)
    const first = await openSqliteStore({ directory: here, keepFree: 0 })
    const queueId = await accept(first, { content: Buffer.alloc(100_000, 'moved ') })
    await first.close()
    await rename(here, join(directory, 'there'))
    const second = await openSqliteStore({ directory: join(directory, 'there'), keepFree: 0 })
    assert.equal((await bytesOf(second, queueId)).length, 100_000 + 'Received: test\n'.length)
    await second.close()
  })
})

test('a second process cannot open the queue', async () => {
  await withStore(async (_, directory) => {
    await assert.rejects(openSqliteStore({ directory }), /another process has the queue open/)
  })
})

test('a queue of a newer release is refused and left as it is', async () => {
  await inDirectory(async (directory) => {
    const store = await openSqliteStore({ directory })
    await store.close()
    const path = join(directory, DATABASE_FILE)
    const database = new DatabaseSync(path)
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    database.close()
    await assert.rejects(openSqliteStore({ directory }), /newer release/)
  })
})

test('a database of something else is refused', async () => {
  await inDirectory(async (directory) => {
    const database = new DatabaseSync(join(directory, DATABASE_FILE))
    database.exec('CREATE TABLE other (x); PRAGMA user_version = 1')
    database.close()
    await assert.rejects(openSqliteStore({ directory }), /not a queue/)
  })
})

test('ids grow across restarts even when the clock steps back', async () => {
  await inDirectory(async (directory) => {
    const ids: string[] = []
    for (const clock of [NOW, NOW - 86_400_000, NOW + 1]) {
      const store = await openSqliteStore({ directory, keepFree: 0, clock: () => clock })
      for (let n = 0; n < 300; n++) ids.push(store.arrive().queueId)
      await store.close()
    }
    assert.deepEqual([...new Set(ids)].sort(), ids)
  })
})

test('requests of one turn share one commit', async () => {
  let commits = 0
  const before = (step: string) => {
    if (step === 'commit') commits++
  }
  await withStore(
    async (store) => {
      commits = 0
      await Promise.all(Array.from({ length: 50 }, () => accept(store, {})))
      assert.equal(commits, 1)
      await Promise.all([store.counts(NOW), store.dueLanes(NOW, 10)])
      assert.equal(commits, 1, 'reading commits nothing')
    },
    { before },
  )
})

test('when a commit fails, all of it is refused and the store has stopped', async () => {
  let isBroken = false
  const before = (step: string) => {
    if (step === 'commit' && isBroken) throw new Error('I/O error')
  }
  await inDirectory(async (directory) => {
    const store = await openSqliteStore({ directory, keepFree: 0, before })
    const kept = await accept(store, {})
    isBroken = true
    const both = await Promise.allSettled([accept(store, {}), accept(store, {})])
    assert.ok(both.every((one) => one.status === 'rejected' && one.reason.name === 'StoreFailure'))
    isBroken = false
    await assert.rejects(store.counts(NOW), { name: 'StoreFailure' })
    await store.close()
    const again = await openSqliteStore({ directory, keepFree: 0 })
    assert.equal((await again.counts(NOW)).messages, 1)
    assert.notEqual(await again.message(kept), undefined)
    await again.close()
  })
})

/** What node:sqlite throws when the disk is full. */
const sqliteFull = () => Object.assign(new Error('database or disk is full'), { errcode: 13 })

test('a disk full at COMMIT refuses that mail; the store goes on, and nothing of it is there', async () => {
  let isFull = false
  const before = (step: string) => {
    if (step === 'commit' && isFull) throw sqliteFull()
  }
  await withStore(
    async (store) => {
      await accept(store, {})
      isFull = true
      await assert.rejects(accept(store, {}), { name: 'StoreFull' })
      const list = Array.from({ length: 2_500 }, (_, n) => recipient(`u${n}@x.example`, 'remote/x'))
      await assert.rejects(accept(store, { recipients: list, batch: 500 }), { name: 'StoreFull' })
      isFull = false
      assert.equal((await store.counts(NOW)).messages, 1)
      assert.equal((await claimAll(store)).length, 1)
      await accept(store, {})
    },
    { before },
  )
})

test('on a full disk leases end with what the ballast gives, and new mail waits until it is back', async () => {
  let failing = 0
  const before = (step: string) => {
    if (step === 'commit' && failing-- > 0) throw sqliteFull()
  }
  await withStore(
    async (store, directory) => {
      const path = join(directory, BALLAST_FILE)
      assert.equal((await stat(path)).size, 100_000)
      await accept(store, {})
      const one = await claimOne(store)
      failing = 2
      const [mail, settled, counted] = await Promise.allSettled([
        accept(store, {}),
        store.settle([delivered(one)], NOW),
        store.counts(NOW),
      ])
      assert.ok(mail.status === 'rejected' && mail.reason.name === 'StoreFull')
      assert.equal(settled.status, 'fulfilled')
      assert.equal(counted.status, 'fulfilled')
      await assert.rejects(stat(path), { code: 'ENOENT' })
      assert.equal((await store.counts(NOW)).messages, 0)
    },
    { before, ballast: 100_000 },
  )
})

test('where nothing more can be given up, leases stay and can be ended later; reading goes on', async () => {
  let isFull = false
  const before = (step: string) => {
    if (step === 'commit' && isFull) throw sqliteFull()
  }
  await withStore(
    async (store) => {
      await accept(store, {})
      const one = await claimOne(store)
      isFull = true
      const [settled, counted] = await Promise.allSettled([
        store.settle([delivered(one)], NOW),
        store.counts(NOW),
      ])
      assert.ok(settled.status === 'rejected' && settled.reason.name === 'StoreFull')
      assert.ok(counted.status === 'fulfilled' && counted.value.attempting === 1)
      isFull = false
      await store.settle([delivered(one)], NOW)
      assert.equal((await store.counts(NOW)).messages, 0)
    },
    { before },
  )
})

test('a large message that finds the disk full after it was queued goes on by recovery', async () => {
  let commits = 0
  let fullFrom = Number.POSITIVE_INFINITY
  const before = (step: string) => {
    if (step === 'commit' && (commits += 1) > fullFrom) throw sqliteFull()
  }
  await withStore(
    async (store) => {
      const arrival = store.arrive()
      const list = Array.from({ length: 2_500 }, (_, n) => recipient(`u${n}@x.example`, 'remote/x'))
      await arrival.addRecipients(list)
      // One more step of recipients, the message itself; then its recipients are let go.
      fullFrom = commits + 2
      await arrival.commit({
        reversePath: 'ann@example.org',
        prepend: '',
        origin: { via: 'smtp' },
        body: '7bit',
        smtputf8: false,
        now: NOW,
      })
      assert.deepEqual(await store.dueLanes(NOW, 10), [])
      await assert.rejects(store.recover(100), { name: 'StoreFull' })
      fullFrom = Number.POSITIVE_INFINITY
      while ((await store.recover(100)) > 0);
      assert.equal((await store.claim('remote/x', 5_000, NOW)).length, 2_500)
    },
    { before },
  )
})

test('with the disk almost full new mail is refused and deliveries go on', async () => {
  await inDirectory(async (directory) => {
    const roomy = await openSqliteStore({ directory, keepFree: 0 })
    await accept(roomy, { content: Buffer.alloc(100_000) })
    await roomy.close()
    const full = await openSqliteStore({ directory, keepFree: Number.MAX_SAFE_INTEGER })
    await assert.rejects(accept(full, {}), { name: 'StoreFull' })
    await assert.rejects(accept(full, { content: Buffer.alloc(100_000) }), { name: 'StoreFull' })
    await deliverAll(full)
    assert.equal((await full.counts(NOW)).messages, 0)
    await full.close()
  })
})

test('a disk that fills up under a content file refuses that message alone', async () => {
  let isFull = false
  const before = (step: string) => {
    if (step === 'file write' && isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
  }
  await withStore(
    async (store) => {
      isFull = true
      await assert.rejects(accept(store, { content: Buffer.alloc(100_000) }), { name: 'StoreFull' })
      await accept(store, {})
      isFull = false
      assert.equal((await store.counts(NOW)).messages, 1)
    },
    { before },
  )
})

test('a content file that cannot be synced stops the store', async () => {
  const before = (step: string) => {
    if (step === 'file sync') throw Object.assign(new Error('I/O error'), { code: 'EIO' })
  }
  await withStore(
    async (store) => {
      await assert.rejects(accept(store, { content: Buffer.alloc(100_000) }), {
        name: 'StoreFailure',
      })
      await assert.rejects(store.counts(NOW), { name: 'StoreFailure' })
    },
    { before },
  )
})

test('with 100,000 recipients waiting, memory stays small and nothing scans them', async () => {
  const work = watchStatements()
  try {
    await withStore(async (store) => {
      const emptyHeap = usedHeap()
      await fillQueue(store)
      const grown = usedHeap() - emptyHeap
      assert.ok(grown < 40_000_000, `the heap has grown by ${grown} bytes`)
      work.reset()
      assert.equal((await store.dueLanes(NOW, 100)).length, 100)
      assert.equal((await store.claim('remote/site7', 10, NOW)).length, 10)
      assert.equal(await store.nextDueAfter(NOW - 1), NOW)
      assert.equal((await store.counts(NOW)).recipients, 100_000)
      const [claim] = await store.claim('remote/site8', 1, NOW)
      assert.ok(claim)
      await store.settle([failed(claim)], NOW)
      assert.ok(work.steps() < 50_000, `${work.steps()} steps of SQLite's machine`)
      assert.ok(work.rowsScanned() < 500, `${work.rowsScanned()} rows scanned`)
    })
  } finally {
    work.stop()
  }
})

/** SQLite's own counters, of every statement prepared from now on. */
function watchStatements() {
  interface Counted {
    stat(counter: string): number | bigint
    resetStats(): void
  }
  const statements: Counted[] = []
  const { prepare } = Object.getOwnPropertyDescriptors(DatabaseSync.prototype)
  const original = prepare.value as DatabaseSync['prepare']
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...parameters) {
    const statement = original.apply(this, parameters)
    statements.push(statement as unknown as Counted)
    return statement
  }
  const sum = (counter: string) =>
    statements.reduce((total, one) => total + Number(one.stat(counter)), 0)
  return {
    reset: () => {
      for (const statement of statements) statement.resetStats()
    },
    steps: () => sum('vmStep'),
    rowsScanned: () => sum('fullscanStep'),
    stop: () => Object.defineProperty(DatabaseSync.prototype, 'prepare', prepare),
  }
}

function usedHeap(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

/** 100,000 recipients: half of them of one message and due, half of 500 messages and deferred. */
async function fillQueue(store: QueueStore): Promise<void> {
  const list = Array.from({ length: 50_000 }, (_, n) =>
    recipient(`user${n}@site${n % 1_000}.example`, `remote/site${n % 1_000}`),
  )
  const others = Array.from({ length: 500 }, (_, n) =>
    accept(store, {
      recipients: Array.from({ length: 100 }, (_, k) =>
        recipient(`user${k}@other${n}.example`, `remote/other${n}`),
      ),
    }),
  )
  await Promise.all(others)
  const claimed = await claimAll(store)
  await store.settle(
    claimed.map((one) => deferred(one, NOW + 60_000)),
    NOW,
  )
  await accept(store, { recipients: list, batch: 5_000 })
}
