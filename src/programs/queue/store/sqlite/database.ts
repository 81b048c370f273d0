/**
 * The one connection to the queue's database, and statements with typed rows.
 *
 * Hides node:sqlite. The connection holds the file exclusively: no second process can open the
 * queue, and SQLite keeps the index of its log in this process's memory. A commit returns after an
 * fsync of the log (WAL, synchronous=FULL).
 *
 * Statements say `LIMIT +?`: SQLite prepares a statement with `LIMIT ?` anew each time it is run.
 */

import { join } from 'node:path'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { DatabaseSync } from 'node:sqlite'
import { migrate } from '../schema.ts'

export const DATABASE_FILE = 'queue.sqlite'

/** Pages of the log before they are carried into the database: 16 MB. */
const CHECKPOINT_PAGES = 4_000
/** Kilobytes of pages in memory. */
const CACHE_KILOBYTES = 32_768

export interface Query<Row extends readonly unknown[]> {
  get(...values: SQLInputValue[]): Row | undefined
  all(...values: SQLInputValue[]): readonly Row[]
}
/** Answers how many rows it changed. */
export type Command = (...values: SQLInputValue[]) => number

export class Database {
  readonly connection: DatabaseSync

  constructor(directory: string) {
    this.connection = openExclusively(join(directory, DATABASE_FILE))
  }

  query<Row extends readonly unknown[]>(sql: string): Query<Row> {
    const statement = this.connection.prepare(sql)
    statement.setReturnArrays(true)
    return new PreparedQuery<Row>(statement)
  }

  command(sql: string): Command {
    const statement = this.connection.prepare(sql)
    return (...values) => Number(statement.run(...values).changes)
  }
}

class PreparedQuery<Row extends readonly unknown[]> implements Query<Row> {
  #statement: StatementSync
  constructor(statement: StatementSync) {
    this.#statement = statement
  }
  get(...values: SQLInputValue[]): Row | undefined {
    return this.#statement.get(...values) as unknown as Row | undefined
  }
  all(...values: SQLInputValue[]): readonly Row[] {
    return this.#statement.all(...values) as unknown as readonly Row[]
  }
}

function openExclusively(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  try {
    connection.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${CACHE_KILOBYTES};
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = 67108864;
      BEGIN IMMEDIATE; COMMIT;
    `)
    migrate(connection)
    return connection
  } catch (error) {
    connection.close()
    if (primaryCode(error) === SQLITE_BUSY) {
      throw new Error(`another process has the queue open: ${path}`, { cause: error })
    }
    throw error
  }
}

const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const SQLITE_TOOBIG = 18
const SQLITE_CONSTRAINT = 19
const SQLITE_MISMATCH = 20
const SQLITE_RANGE = 25

/**
 * request  only the statement is at fault; the transaction can be rolled back and the store goes on
 * full     as above, and the reason is that the disk is full
 * engine   the file, the disk or SQLite itself: nothing may be believed any more
 */
export type Fault = 'request' | 'full' | 'engine'

export function faultOf(error: unknown): Fault {
  const code = primaryCode(error)
  switch (code) {
    case undefined:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
      return 'request'
    case SQLITE_FULL:
      return 'full'
    default:
      return 'engine'
  }
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}
