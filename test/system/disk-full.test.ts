/**
 * The queue's disk is full while mail waits in it: new mail is refused, what is queued is delivered,
 * questions are answered, and once there is room again nothing is missing and nothing came twice.
 *
 * The disk is a tmpfs of its own, and only the queue is on it; so root alone can run this.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Postern } from '../support/postern.ts'
import {
  catchOutbound,
  everydaySettings,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const DISK = 128 * 1_048_576
/** The setting `limits.disk_free`, and what the database's log may need beside the mail. */
const KEPT_FREE = 64_000_000
const SLACK = 4_000_000
const MESSAGES = 200
const BODY = `${'all work and no play '.repeat(3)}\n`.repeat(50)
const OPERATOR = join(import.meta.dirname, '../../dist/operator.mjs')

/** A whole Postern with its queue on a small disk, and a file that fills that disk. */
class SmallDisk {
  readonly directory = makeDirectory()
  readonly queue = join(this.directory, 'queue')
  readonly #filler = join(this.queue, 'filler')

  constructor() {
    mkdirSync(this.queue)
    mount('-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', this.queue)
  }

  start(): Promise<Postern> {
    const settings = everydaySettings(this.directory) + catchOutbound(this.directory)
    return startPostern({ directory: this.directory, settings })
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.queue)
    return bavail * bsize
  }

  fill(): void {
    writeFileSync(this.#filler, '', { flag: 'a' })
    for (const size of [1_048_576, 4_096]) while (this.#append(size));
    assert.equal(statfsSync(this.queue).bavail, 0)
  }

  empty(): void {
    rmSync(this.#filler)
  }

  /** What the queue keeps for this case, taken by somebody else. */
  takeBallast(): void {
    rmSync(join(this.queue, 'ballast'))
  }

  remove(): void {
    spawnSync('umount', ['--lazy', this.queue])
    removeDirectory(this.directory)
  }

  #append(size: number): boolean {
    try {
      appendFileSync(this.#filler, Buffer.alloc(size))
      return true
    } catch {
      return false
    }
  }
}

function mount(...words: readonly string[]): string {
  const done = spawnSync('mount', words, { encoding: 'utf8' })
  return done.status === 0 ? '' : done.stderr || 'mount does not work'
}

/** Somewhere without privileges, root may not mount either. */
function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'only root can make a small disk'
  const directory = makeDirectory()
  const problem = mount('-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', directory)
  if (problem === '') spawnSync('umount', [directory])
  removeDirectory(directory)
  return problem === '' ? false : `no small disk can be made here: ${problem.trim()}`
}

async function send(
  postern: Postern,
  tokens: readonly string[],
  body = BODY,
): Promise<readonly number[]> {
  const client = new SmtpClient(postern.smtpPort)
  const codes: number[] = []
  try {
    await client.hello()
    for (const token of tokens) {
      const content = `Subject: ${token}\n\n${body}`
      const message = { from: 'a@sender.test', to: ['joe@postern.test'], content }
      codes.push((await client.send(message)).code)
    }
  } finally {
    client.close()
  }
  return codes
}

function status(postern: Postern): string {
  const words = [OPERATOR, 'status', '--run', postern.run]
  const done = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 15_000 })
  assert.equal(done.signal, null, 'status has answered')
  return done.stdout
}

/** How often each message has arrived. */
function arrived(directory: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const text of mailTexts(join(directory, 'mail'))) {
    const token = /^Subject: (\S+)/m.exec(text)?.[1] ?? ''
    counts.set(token, (counts.get(token) ?? 0) + 1)
  }
  return counts
}

function tokensOf(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => `${name}${n}`)
}

async function withMailWaiting(
  act: (disk: SmallDisk, postern: Postern, letDeliver: () => void) => Promise<void>,
): Promise<void> {
  const disk = new SmallDisk()
  const postern = await disk.start()
  let stopped: readonly number[] = []
  const letDeliver = () => {
    for (const pid of stopped) process.kill(pid, 'SIGCONT')
    stopped = []
  }
  try {
    await send(postern, ['warm'])
    await until(() => arrived(disk.directory).has('warm'), 20)
    stopped = postern.pids('local')
    assert.equal(stopped.length, 1)
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    const codes = await send(postern, tokensOf('m', MESSAGES))
    assert.deepEqual([...new Set(codes)], [250])
    await act(disk, postern, letDeliver)
  } finally {
    letDeliver()
    await postern.stop()
    disk.remove()
  }
}

async function allArrivesOnce(disk: SmallDisk, expected: readonly string[]): Promise<void> {
  await until(() => expected.every((token) => arrived(disk.directory).has(token)), 60)
  const twice = [...arrived(disk.directory)].filter(([, count]) => count > 1)
  assert.deepEqual(twice, [])
}

async function mailIsTakenAgain(postern: Postern): Promise<void> {
  await until(async () => (await send(postern, ['later']).catch(() => [452]))[0] === 250, 30)
}

async function isRefusedForNow(postern: Postern): Promise<void> {
  const answer = await send(postern, ['refused']).catch((error: Error) => error.message)
  assert.match(String(answer), /^452$|4\.3\.1/)
}

suite('a full disk', { skip: whyNot() }, () => {
  test('stops new mail alone: what is queued is delivered, and written down', async () => {
    await withMailWaiting(async (disk, postern, letDeliver) => {
      const [queue] = postern.pids('queue')
      disk.fill()
      await isRefusedForNow(postern)
      assert.match(status(postern), /queue/i)
      letDeliver()
      await allArrivesOnce(disk, tokensOf('m', MESSAGES))
      const left = () => postern.log().match(/ ended\b/g)?.length ?? 0
      await until(() => left() === MESSAGES + 1, 60)
      assert.equal(existsSync(join(disk.queue, 'ballast')), false, 'the ballast was given up')
      await isRefusedForNow(postern)
      disk.empty()
      await mailIsTakenAgain(postern)
      await allArrivesOnce(disk, ['later'])
      assert.equal(existsSync(join(disk.queue, 'ballast')), true, 'and is there again')
      assert.deepEqual(postern.pids('queue'), [queue], 'the queue has run on')
      assert.equal(arrived(disk.directory).has('refused'), false)
      for (const file of ['queue.sqlite', 'queue.sqlite-wal', 'ballast']) {
        assert.equal(statSync(join(disk.queue, file)).mode & 0o077, 0, `${file} is private`)
      }
    })
  })

  test('is not made by mail: what arrives at once stops before the last megabytes', async () => {
    await withMailWaiting(async (disk, postern, letDeliver) => {
      let least = Number.POSITIVE_INFINITY
      const watch = setInterval(() => (least = Math.min(least, disk.free)), 5)
      const large = `${'z'.repeat(70)}\n`.repeat(150_000)
      const tokens = tokensOf('large', 12)
      const codes = await Promise.all(
        tokens.map((token) => send(postern, [token], large).catch(() => [452])),
      )
      clearInterval(watch)
      letDeliver()
      const accepted = tokens.filter((_, n) => codes[n]?.[0] === 250)
      assert.ok(accepted.length > 0 && accepted.length < tokens.length, String(codes))
      assert.ok(least >= KEPT_FREE - SLACK, `${least} bytes were left`)
      await allArrivesOnce(disk, [...tokensOf('m', MESSAGES), ...accepted])
      await mailIsTakenAgain(postern)
    })
  })

  test('with nothing left to give up keeps outcomes, and writes them when there is room', async () => {
    await withMailWaiting(async (disk, postern, letDeliver) => {
      const [queue] = postern.pids('queue')
      disk.takeBallast()
      disk.fill()
      letDeliver()
      await allArrivesOnce(disk, tokensOf('m', 1))
      await until(() => /disk-full/.test(postern.log()), 30)
      assert.match(status(postern), /queue/i)
      await isRefusedForNow(postern)
      disk.empty()
      await allArrivesOnce(disk, tokensOf('m', MESSAGES))
      await mailIsTakenAgain(postern)
      await allArrivesOnce(disk, ['later'])
      assert.deepEqual(postern.pids('queue'), [queue], 'the queue has run on')
    })
  })

  test('is no reason not to start: the queue goes on with what it has', async () => {
    await withMailWaiting(async (disk, postern, letDeliver) => {
      disk.fill()
      const [queue] = postern.pids('queue')
      assert.ok(queue)
      process.kill(queue, 'SIGKILL')
      await until(() => postern.pids('queue').some((pid) => pid !== queue), 30)
      await until(async () => {
        const answer = await send(postern, ['refused']).catch((error: Error) => error.message)
        return /^452$|4\.3\.1/.test(String(answer))
      }, 30)
      assert.match(status(postern), /queue/i)
      letDeliver()
      const expected = tokensOf('m', MESSAGES)
      await until(() => expected.every((token) => arrived(disk.directory).has(token)), 60)
      disk.empty()
      await mailIsTakenAgain(postern)
      assert.doesNotMatch(postern.log(), /store-failed|cannot be/)
    })
  })
})
