/**
 * The tables of the queue's database, and how an older one becomes this one.
 *
 * content    what was sent, immutable, counted by the messages that use it. A body over the limit is
 *            a file (content.ts) and its row is there before the file and after it: with `refs` 0 it
 *            means "arriving, or to be unlinked", so recovery never has to list a directory.
 * message    one envelope. `id` is the number its queue id stands for. Its recipients have the ids
 *            `first` to `first + span - 1`, so no index leads from a message to them.
 * recipient  one addressee. Only those waiting are in the index that is claimed from.
 * lane       the lanes with waiting recipients. `next_due` is never later than the first of them;
 *            it may be earlier for a while.
 * event      the stories of messages, clustered by message.
 * tally      one row: counts and the next numbers, written in every transaction that changes them.
 *
 * No foreign keys: rows are removed in one place each, and the conformance suite checks that
 * nothing is left behind. The version is SQLite's user_version; migration goes forward only.
 */

import type { DatabaseSync } from 'node:sqlite'

/** message.state */
export const MESSAGE_STATE = { arriving: 0, spreading: 1, live: 2 } as const
/** recipient.state; the partial indices below name the numbers. */
export const RECIPIENT_STATE = { waiting: 0, held: 1, reportable: 2, arriving: 3 } as const

const FIRST = `
  CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,
    filed INTEGER NOT NULL,
    size INTEGER NOT NULL,
    body BLOB
  );
  CREATE INDEX content_unused ON content (id) WHERE refs = 0;

  CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    content INTEGER NOT NULL,
    size INTEGER NOT NULL,
    first INTEGER NOT NULL,
    span INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    unspread INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL,
    reverse_path TEXT NOT NULL,
    details TEXT NOT NULL,
    prepend BLOB NOT NULL,
    append BLOB NOT NULL
  );
  CREATE INDEX message_unfinished ON message (state, id) WHERE state < 2;

  CREATE TABLE recipient (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    state INTEGER NOT NULL,
    large INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lane TEXT NOT NULL,
    address TEXT NOT NULL,
    original TEXT,
    notify TEXT,
    last_text TEXT,
    outcome TEXT
  );
  CREATE INDEX recipient_waiting ON recipient (lane, due_at) WHERE state = 0;
  CREATE INDEX recipient_reportable ON recipient (message) WHERE state = 2;
  CREATE INDEX recipient_waiting_of_large ON recipient (message, due_at) WHERE state = 0 AND large = 1;

  CREATE TABLE lane (name TEXT PRIMARY KEY, next_due INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX lane_next_due ON lane (next_due);

  CREATE TABLE event (
    message INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    recipient TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (message, number)
  ) WITHOUT ROWID;
  CREATE INDEX event_ended ON event (at) WHERE event = 'ended';

  CREATE TABLE idempotency (key TEXT PRIMARY KEY, message INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX idempotency_message ON idempotency (message);

  CREATE TABLE tally (
    messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    held INTEGER NOT NULL,
    next_recipient INTEGER NOT NULL,
    next_event INTEGER NOT NULL,
    queue_id_mark INTEGER NOT NULL
  );
  INSERT INTO tally VALUES (0, 0, 0, 1, 1, 0);
`

/** Step n leads from version n to version n + 1. Steps are only ever added. */
const STEPS: readonly string[] = [FIRST]

export const SCHEMA_VERSION = STEPS.length
/** 'Post': tells a queue from any other SQLite file. */
const APPLICATION = 0x50_6f_73_74

export function migrate(connection: DatabaseSync): void {
  const found = pragma(connection, 'user_version')
  const application = pragma(connection, 'application_id')
  if (found > SCHEMA_VERSION) {
    throw new Error(
      `the queue was written by a newer release (schema ${found}, this one knows ${SCHEMA_VERSION}): install that release again`,
    )
  }
  if (found > 0 && application !== APPLICATION) {
    throw new Error('the database is not a queue of Postern')
  }
  for (let version = found; version < SCHEMA_VERSION; version++) {
    connection.exec(
      `BEGIN IMMEDIATE; ${STEPS[version] ?? ''};
       PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${version + 1}; COMMIT`,
    )
  }
}

function pragma(connection: DatabaseSync, name: string): number {
  return Number(Object.values(connection.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0)
}
