/**
 * The queue on SQLite: one file, in the queue's own process, and content files beside it.
 *
 * Opening a queue asks SQLite to bring its log in order and reads one row; nothing is scanned. The
 * caller then calls `recover` until it answers 0. After a StoreFailure: close, and open again.
 */

import { parseQueueId } from './queue-id.ts'
import { Accepting } from './sqlite/accept.ts'
import { SqliteArrival } from './sqlite/arrival.ts'
import type { Engine, SqliteOptions } from './sqlite/engine.ts'
import { makeEngine } from './sqlite/engine.ts'
import { Listing } from './sqlite/listing.ts'
import { readBody } from './sqlite/reading.ts'
import { Removing } from './sqlite/removing.ts'
import { Settling } from './sqlite/settle.ts'
import type { QueueId, QueueStore } from './store.ts'

export type { SqliteOptions } from './sqlite/engine.ts'

export async function openSqliteStore(options: SqliteOptions): Promise<QueueStore> {
  const engine = makeEngine(options)
  await engine.files.prepare()
  return storeOn(engine)
}

function storeOn(engine: Engine): QueueStore {
  const { group, lanes, claims, messages, events } = engine
  const accepting = new Accepting(engine)
  const removing = new Removing(engine, accepting)
  const settling = new Settling(engine, accepting)
  const listing = new Listing(engine)
  const parts = { engine, accepting, removing }
  return {
    recover: (limit) => removing.recover(limit),
    arrive: () => new SqliteArrival(engine.ids.next(), parts),

    dueLanes: (now, limit) => group.read(() => lanes.due(now, limit)),
    nextDueAfter: (now) => group.read(() => lanes.nextAfter(now)),
    claim: (lane, limit, now) => group.read(() => claims.take(lane, limit, now)),
    message: (queueId) => group.read(() => messages.find(numberOf(queueId))?.stored),
    readContent: (queueId) => readBody(engine, numberOf(queueId)),

    settle: (settlements, now) => group.write(() => settling.settle(settlements, now)),
    reportable: (now, limit) => group.read(() => settling.reportable(now, limit)),
    reportableRecipients: (queueId, limit) =>
      group.read(() => settling.recipients(numberOf(queueId), limit)),
    report: (request) => {
      const reportId = request.report === undefined ? 0 : engine.ids.next()
      return group.write(() => settling.report(request, reportId))
    },

    counts: (now) => group.read(() => countsOf(engine, now)),
    list: (request) => group.read(() => listing.list(request)),
    show: (queueId) => group.read(() => listing.show(queueId)),
    events: (queueId, limit) => group.read(() => events.of(numberOf(queueId), limit)),
    retry: (selection, now, limit) => listing.retry(selection, now, limit),
    remove: (selection, now, limit) => listing.remove(selection, now, limit),
    purgeEvents: (before, limit) => group.write(() => events.purge(before, limit)),

    close: () => close(engine, removing),
  }
}

/** No message has the number 0, so what is no queue id names none. */
function numberOf(queueId: QueueId): number {
  return parseQueueId(queueId) ?? 0
}

function countsOf(engine: Engine, now: number): Awaited<ReturnType<QueueStore['counts']>> {
  const { messages, recipients, held } = engine.tally.counted
  const [oldest] = engine.messages.from(0, 1)
  const age = oldest === undefined ? 0 : Math.max(0, now - oldest.stored.arrivedAt)
  const attempting = engine.claims.size
  return { messages, recipients, held, attempting, oldestSeconds: Math.floor(age / 1_000) }
}

/** All that was asked before is still answered. */
async function close(engine: Engine, removing: Removing): Promise<void> {
  const { group, database, ids, tally } = engine
  await group.read(() => undefined).catch(() => {})
  await removing.settled()
  if (group.failure === undefined) tally.raise(ids.last + 1)
  group.stop('the queue has been closed')
  if (database.connection.isOpen) database.connection.close()
}
