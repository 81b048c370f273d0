/**
 * What the parts of the SQLite engine share, put together once.
 */

import { statfsSync } from 'node:fs'
import { Ballast } from '../ballast.ts'
import type { DurableStep } from '../content.ts'
import { ContentFiles } from '../content.ts'
import { GroupCommit } from '../group-commit.ts'
import { QueueIdSource } from '../queue-id.ts'
import { StoreFull } from '../store.ts'
import { Claims } from './claims.ts'
import { Database } from './database.ts'
import { Events } from './events.ts'
import { Lanes } from './lanes.ts'
import { Messages } from './messages.ts'
import { Tally } from './tally.ts'

export interface SqliteOptions {
  /** Exists, and belongs to the queue alone. */
  readonly directory: string
  /** For queue ids. */
  readonly clock?: () => number
  /** Called before each durable step; for crash tests. */
  readonly before?: (step: DurableStep) => void
  /** Bytes of the disk that new mail leaves free, so that deliveries can still be recorded. */
  readonly keepFree?: number
  /** Bytes set aside, and given up when the disk is full all the same. */
  readonly ballast?: number
}

export interface Engine {
  readonly database: Database
  readonly group: GroupCommit
  readonly tally: Tally
  readonly ids: QueueIdSource
  readonly events: Events
  readonly messages: Messages
  readonly claims: Claims
  readonly lanes: Lanes
  readonly files: ContentFiles
  /** Rejects with StoreFull if new mail would use what deliveries need. */
  readonly assertRoom: () => void
  /** Numbers below it were given out by earlier processes. */
  readonly firstNumber: number
}

const DEFAULT_KEEP_FREE = 33_554_432
const DEFAULT_BALLAST = 8_388_608
/** How old a look at the free space may be. */
const LOOK_AGAIN_AFTER = 500

export function makeEngine(options: SqliteOptions): Engine {
  const before = options.before ?? (() => {})
  const database = new Database(options.directory)
  const tally = new Tally(database)
  const { directory } = options
  const ballast = new Ballast(directory, options.ballast ?? DEFAULT_BALLAST)
  const group = new GroupCommit(database, {
    beforeCommit: () => before('commit'),
    makeRoom: () => ballast.letGo(),
  })
  tally.failed = (error) => group.stop('the queue ids could not be reserved', error)
  const ids = new QueueIdSource(options.clock ?? Date.now, tally)
  tally.wantedMark = () => ids.wantedMark()
  const events = new Events(database, tally)
  const messages = new Messages(database, tally, events)
  const claims = new Claims(database)
  const lanes = new Lanes(database, claims)
  const broken = (why: string, cause: unknown) => group.stop(why, cause)
  const files = new ContentFiles({ directory, before, broken })
  const room = roomKeeper(directory, ballast, options.keepFree ?? DEFAULT_KEEP_FREE)
  room.look()
  for (const follower of [messages, claims, lanes, tally]) group.follow(follower)
  group.follow({ committed: () => before('answer') })
  const firstNumber = ids.next()
  return {
    database,
    group,
    tally,
    ids,
    events,
    messages,
    claims,
    lanes,
    files,
    assertRoom: () => room.assert(),
    firstNumber,
  }
}

/** While the ballast cannot be held beside what is to stay free, there is no room for new mail. */
function roomKeeper(directory: string, ballast: Ballast, keepFree: number) {
  let lookedAt = Number.NEGATIVE_INFINITY
  let hasRoom = true
  const look = () => {
    lookedAt = performance.now()
    const { bavail, bsize } = statfsSync(directory)
    const wanted = keepFree + (ballast.isHeld ? 0 : ballast.size)
    hasRoom = bavail * bsize >= wanted && ballast.hold()
  }
  const assert = () => {
    if (performance.now() - lookedAt > LOOK_AGAIN_AFTER) look()
    if (!hasRoom) throw new StoreFull('the disk is almost full: new mail has to wait')
  }
  return { look, assert }
}
