/**
 * The queue's store, killed before each of its durable steps, and with the end of its log torn off:
 * what was promised is there, whole; what was not is there whole or not at all.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { accept, recipient } from '../../src/programs/queue/store/conformance-support.ts'
import { openSqliteStore } from '../../src/programs/queue/store/sqlite.ts'
import { assertConsistent, contentOf, LIST_RECIPIENTS, recoverAndRead } from './store-ledger.ts'

const AT_ONCE = 2
const MOST_STEPS = 200

test('killed before any durable step, the queue holds what it promised', async () => {
  let isComplete = false
  for (let step = 1; !isComplete; step += AT_ONCE) {
    assert.ok(step < MOST_STEPS, 'the victim never ends')
    const steps = Array.from({ length: AT_ONCE }, (_, n) => step + n)
    const ends = await Promise.all(steps.map(killAndCheck))
    isComplete = ends.includes('done')
  }
})

async function killAndCheck(step: number): Promise<'killed' | 'done'> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-crash-'))
  try {
    const { signal, said } = await runVictim(directory, step)
    assert.equal(signal ?? 'none', said.has('done') ? 'none' : 'SIGKILL', [...said].join(', '))
    const found = await recoverAndRead(directory)
    assertConsistent(directory)
    assertPromises(said, found, `killed before step ${step} after: ${[...said].join(', ')}`)
    return said.has('done') ? 'done' : 'killed'
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function assertPromises(
  said: ReadonlySet<string>,
  found: Awaited<ReturnType<typeof recoverAndRead>>,
  when: string,
): void {
  for (const [name, { whole }] of found) assert.ok(whole, `${name} is not whole, ${when}`)
  for (const name of ['small', 'large', 'list']) {
    const mayHaveEnded = said.has(`delivering ${name}`) || said.has(`failing ${name}`)
    if (said.has(`accepted ${name}`) && !mayHaveEnded) {
      assert.ok(found.has(name), `${name} is lost, ${when}`)
    }
  }
  if (said.has('delivered large')) assert.ok(!found.has('large'), when)
  if (said.has('failing small') && !said.has('delivering list')) {
    assert.notEqual(found.has('small'), found.has('report'), when)
  }
  const list = found.get('list')
  if (list !== undefined) assert.equal(list.recipients, LIST_RECIPIENTS, when)
}

function runVictim(
  directory: string,
  step: number,
): Promise<{ readonly signal: string | null; readonly said: ReadonlySet<string> }> {
  const victim = join(import.meta.dirname, 'store-victim.ts')
  const child = spawn(process.execPath, [victim, directory, String(step)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_, signal) => {
      resolve({ signal, said: new Set(output.split('\n').filter((line) => line !== '')) })
    })
  })
}

test('with its log cut or spoilt at any place, the queue holds the beginning of what it accepted', async () => {
  const source = mkdtempSync(join(tmpdir(), 'postern-log-'))
  const names = Array.from({ length: 12 }, (_, n) => `m${n}`)
  try {
    await leaveLog(source, names)
    const length = readFileSync(join(source, LOG)).length
    const offsets = Array.from({ length: 24 }, (_, n) => Math.floor((length * n) / 24) + n * 7)
    const most = await survivorsOf(source, names, () => {})
    assert.equal(most, names.length)
    for (const offset of offsets) {
      await survivorsOf(source, names, (log) => truncateSync(log, offset))
      await survivorsOf(source, names, (log) => spoil(log, offset))
    }
  } finally {
    rmSync(source, { recursive: true })
  }
})

const LOG = 'queue.sqlite-wal'

/** A queue as a power failure finds it: messages in the log, none of them in the database. */
async function leaveLog(source: string, names: readonly string[]): Promise<void> {
  const live = mkdtempSync(join(tmpdir(), 'postern-live-'))
  const store = await openSqliteStore({ directory: live, keepFree: 0 })
  for (const name of names) {
    await accept(store, {
      content: contentOf(name),
      recipients: [recipient(`${name}@example.org`)],
    })
  }
  cpSync(live, source, { recursive: true })
  await store.close()
  rmSync(live, { recursive: true })
}

function spoil(log: string, offset: number): void {
  const bytes = readFileSync(log)
  bytes.fill(0xa5, offset, offset + 512)
  writeFileSync(log, bytes)
}

/** How many messages survive; they must be the first ones, whole. */
async function survivorsOf(
  source: string,
  names: readonly string[],
  damage: (log: string) => void,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-torn-'))
  try {
    cpSync(source, directory, { recursive: true })
    damage(join(directory, LOG))
    const found = await recoverAndRead(directory)
    assertConsistent(directory)
    assert.deepEqual([...found.keys()], names.slice(0, found.size))
    assert.ok([...found.values()].every(({ whole }) => whole))
    return found.size
  } finally {
    rmSync(directory, { recursive: true })
  }
}
