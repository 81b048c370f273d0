import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Clock } from '../../io/clock.ts'
import { DropDirectory } from './drop-directory.ts'
import { Pickup } from './pickup.ts'
import type { Taken } from './take.ts'

const ACCEPTED: Taken = { kind: 'accepted', queueId: 'Q1', sender: 'a@b.c' }
const deferred = (everybody: boolean): Taken => ({ kind: 'deferred', why: 'not now', everybody })

interface World {
  /** What has been taken, in this order. */
  readonly taken: string[]
  /** What becomes of a file; accepted if it is not named here. */
  readonly fates: Map<string, Taken | Error>
  drop(name: string, mode?: number): void
  /** The next event of this name. */
  logged(event: 'taken' | 'left-for-later' | 'not-a-message'): Promise<void>
  /** No time passes but here. */
  pass(milliseconds: number): void
  /** Takes nothing more; resolves once nothing is being taken. */
  finish(): Promise<void>
}

async function withStillTime(use: (world: World) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'postern-pausing-'))
  const taken: string[] = []
  const fates = new Map<string, Taken | Error>()
  const waiting = new Map<string, () => void>()
  let now = Date.now()
  let timers: { readonly at: number; readonly call: () => void }[] = []
  const clock: Clock = {
    now: () => now,
    after: (milliseconds, call) => {
      const timer = { at: now + milliseconds, call }
      timers.push(timer)
      return { cancel: () => (timers = timers.filter((other) => other !== timer)) }
    },
  }
  const pickup = new Pickup({
    directory: new DropDirectory(path),
    own: { gid: process.getgid?.() ?? 0 },
    clock,
    log: { write: ({ event }) => waiting.get(event)?.() },
    filesPerUser: 10,
    take: async ({ handle }) => {
      const name = await handle.readFile('utf8')
      taken.push(name)
      const fate = fates.get(name) ?? ACCEPTED
      if (fate instanceof Error) throw fate
      return fate
    },
  })
  try {
    await use({
      taken,
      fates,
      drop: (name, mode = 0o640) => {
        writeFileSync(join(path, name), name)
        chmodSync(join(path, name), mode)
        pickup.notice(name)
      },
      logged: (event) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.set(event, resolve)
        return promise
      },
      pass: (milliseconds) => {
        now += milliseconds
        const due = timers.filter(({ at }) => at <= now)
        timers = timers.filter(({ at }) => at > now)
        for (const { call } of due) call()
      },
      finish: () => pickup.finish(),
    })
  } finally {
    await pickup.finish()
    rmSync(path, { recursive: true, force: true })
  }
}

suite('pausing', () => {
  const cases = [
    ['an answer about one message', deferred(false)],
    ['a file that cannot be read', new Error('EIO')],
  ] as const
  for (const [why, fate] of cases) {
    test(`${why} makes no other wait`, () =>
      withStillTime(async (world) => {
        world.fates.set('poison', fate)
        const poisoned = world.logged('left-for-later')
        world.drop('poison')
        await poisoned
        const done = world.logged('taken')
        world.drop('good')
        await done
        assert.deepEqual(world.taken, ['poison', 'good'])
      }))
  }

  test('while nobody is served new files wait', () =>
    withStillTime(async (world) => {
      await beginPause(world)
      world.drop('second')
      // Files are looked at one after another: once this is reported, the second has been looked at.
      const looked = world.logged('not-a-message')
      world.drop('foreign', 0o644)
      await looked
      await world.finish()
      assert.deepEqual(world.taken, ['first'])
    }))

  test('the pause ends by itself', () =>
    withStillTime(async (world) => {
      await beginPause(world)
      const looked = world.logged('not-a-message')
      world.drop('second')
      world.drop('foreign', 0o644)
      await looked
      const done = world.logged('taken')
      world.pass(1_000)
      await done
      assert.deepEqual(world.taken, ['first', 'second'])
    }))
})

async function beginPause(world: World): Promise<void> {
  world.fates.set('first', deferred(true))
  const later = world.logged('left-for-later')
  world.drop('first')
  await later
}
