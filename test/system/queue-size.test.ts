/**
 * A long queue costs disk, not memory and not time: Postern starts, accepts, delivers and lists while many wait.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from '../support/loopback.ts'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailFiles,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { withSession } from '../support/smtp-client.ts'

const run = promisify(execFile)
const FEW = 10_000
const MANY = 100_000
const IN_ONE_MESSAGE = 250
const SESSIONS = 4
const MEGABYTE = 1_048_576
/** SQLite's cache fills meanwhile (32 MB), and as much again is for the garbage collector. */
const MOST_GROWTH = 64 * MEGABYTE
const MOST_MEMORY = 200 * MEGABYTE
/** On arrival, and after each of two retries; one more if a restart came in between. */
const MOST_ATTEMPTS = 5
const bin = join(import.meta.dirname, '../../bin/postern')

suite('a long queue', () => {
  const directory = makeDirectory()
  let settings = ''
  let postern: Postern
  let queued = 0
  /** Peak memory of the queue program with a few waiting. */
  let modest = 0

  const start = async () => {
    postern = await startPostern({ directory, settings })
  }

  before(async () => {
    // Nobody listens there. Ten domains, so that there are several lanes.
    settings = `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${await freePort()}"
`
    await start()
  })
  after(async () => {
    await postern.stop()
    removeDirectory(directory)
  })

  /** Until so many recipients wait. */
  const fill = async (count: number) => {
    const session = () =>
      withSession(postern.smtpPort, async (client) => {
        while (queued < count) {
          const first = queued
          queued += IN_ONE_MESSAGE
          const to = Array.from({ length: IN_ONE_MESSAGE }, (_, at) => {
            return `user${first + at}@far${(first + at) % 10}.test`
          })
          const content = `Subject: list ${first}\n\nbody\n`
          const reply = await client.send({ from: 'list@sender.test', to, content })
          assert.equal(reply.code, 250, reply.lines.join())
        }
      })
    await Promise.all(Array.from({ length: SESSIONS }, session))
  }

  /** Restarts with all that waits made due, and has a note delivered meanwhile. Answers peak memory. */
  const workThrough = async (note: string) => {
    assert.equal(await postern.stop(), 0)
    const begun = performance.now()
    await start()
    assert.ok(performance.now() - begun < 10_000, 'the start does not depend on the queue')
    await command(['queue', 'retry', '--all'])
    await withSession(postern.smtpPort, async (client) => {
      const content = 'Subject: note\n\nbody\n'
      const to = [`${note}@postern.test`]
      const reply = await client.send({ from: 'a@sender.test', to, content })
      assert.equal(reply.code, 250)
    })
    await until(() => mailFiles(`${directory}/mail/${note}`).length === 1, 10)
    await until(async () => (await list()).every(isPutOff), 60)
    for (const { recipients } of await list()) {
      for (const { attempts } of recipients) assert.ok(attempts <= MOST_ATTEMPTS, `${attempts}`)
    }
    assert.deepEqual(
      { ...(await counts()), oldestSeconds: 0, attempting: 0 },
      {
        messages: queued / IN_ONE_MESSAGE,
        recipients: queued,
        held: 0,
        attempting: 0,
        oldestSeconds: 0,
      },
    )
    return peakMemory(postern.pids('queue')[0])
  }

  const command = async (words: readonly string[]) => {
    const options = { maxBuffer: 100 * MEGABYTE, timeout: 60_000 }
    return (await run(bin, [...words, '--config', postern.config], options)).stdout
  }
  const counts = async () =>
    JSON.parse(await command(['status', '--json'])) as Readonly<Record<string, number>>
  const list = async () =>
    (await command(['queue', 'list', '--json']))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Listed)

  test(`with ${FEW} recipients waiting, a local note is delivered at once`, async () => {
    await fill(FEW)
    modest = await workThrough('few')
  })

  test(`with ${MANY} it is too, and the queue holds no more in memory than before`, async () => {
    await fill(MANY)
    const peak = await workThrough('many')
    const told = `${Math.round(modest / MEGABYTE)} MB with ${FEW}, ${Math.round(peak / MEGABYTE)} MB with ${MANY}`
    assert.ok(peak < modest + MOST_GROWTH && peak < MOST_MEMORY, told)
  })

  test('postern queue list pages through all of it, each message once', async () => {
    const messages = await list()
    assert.equal(messages.length, MANY / IN_ONE_MESSAGE)
    assert.equal(new Set(messages.map(({ queueId }) => queueId)).size, messages.length)
    for (const { recipientCount, recipients } of messages) {
      assert.equal(recipientCount, IN_ONE_MESSAGE)
      assert.equal(recipients.length, 10)
    }
  })

  test('one domain of it is removed, and the others stay', async () => {
    const removed = await command(['queue', 'remove', '--domain', 'far3.test', '--json'])
    assert.deepEqual(JSON.parse(removed), { affected: MANY / 10 })
    assert.equal((await counts())['recipients'], MANY - MANY / 10)
  })
})

interface Listed {
  readonly queueId: string
  readonly recipientCount: number
  readonly recipients: readonly {
    readonly state: string
    readonly nextAttemptAt: number
    readonly attempts: number
  }[]
}

/** Tried, and waiting for its next time. */
function isPutOff({ recipients }: Listed): boolean {
  return recipients.every((one) => one.state === 'waiting' && one.nextAttemptAt > Date.now())
}

function peakMemory(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1_024
}
