import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { Invocation } from '../../contracts/drop-file.ts'
import { formatDropFile } from '../../contracts/drop-file.ts'
import type { PickupSettings } from '../../contracts/settings.ts'
import type { SubmissionAnswer, SubmissionCommit } from '../../contracts/submission.ts'
import { submissionCommit } from '../../contracts/submission.ts'
import type { Clock } from '../../io/clock.ts'
import type { Stream } from '../../io/connection.ts'
import type { LogEvent } from '../../io/log.ts'
import { DropDirectory } from './drop-directory.ts'
import { Pickup } from './pickup.ts'
import { take } from './take.ts'

const GID = process.getgid?.() ?? 0
const asRoot = process.getuid?.() === 0 ? false : 'files of other users are made by root'

const PLAIN: Invocation = {
  login: 'joe',
  recipients: ['to@b.c'],
  recipientsInHeader: false,
  keepDots: true,
  gateway: false,
  eightBit: false,
  hops: 0,
  environment: {},
}

interface Received {
  readonly commit: SubmissionCommit
  readonly recipients: readonly string[]
  readonly content: Buffer
}

interface World {
  readonly path: string
  readonly received: Received[]
  readonly events: LogEvent[]
  readonly pickup: Pickup
  /** How the queue answers; by default it accepts, the same key once only. */
  answer: (received: Received) => SubmissionAnswer | 'cancel'
  until(condition: () => boolean): Promise<void>
  drop(invocation: Partial<Invocation>, message: string | Buffer, name?: string): string
}

const LIMITS = { messageSize: 60_000_000, recipientsPerMessage: 100, hops: 30 }
const SETTINGS = {
  hostname: 'h.example',
  limits: LIMITS as PickupSettings['limits'],
  paths: { queue: '', drop: '', run: '' },
  log: { to: { kind: 'stderr' }, format: 'text', keepEvents: 0 },
} as const satisfies PickupSettings

/** A pickup on a directory of its own, and a queue that is only what its end of the connection says. */
async function withPickup(use: (world: World) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'postern-drop-'))
  const received: Received[] = []
  const events: LogEvent[] = []
  let wake: () => void = () => undefined
  const keys = new Map<string, string>()
  const accept = ({ commit }: Received): SubmissionAnswer => {
    const key = commit.idempotencyKey ?? ''
    const queueId = keys.get(key) ?? `Q${keys.size + 1}`
    keys.set(key, queueId)
    return { kind: 'accepted', queueId }
  }
  const [queue, connection] = await connectionPair(
    {
      onOpen: (stream) =>
        queueListener(stream, (got) => {
          received.push(got)
          queueMicrotask(wake)
          return world.answer(got)
        }),
    },
    { onHello: () => pickup.start() },
  )
  // Time goes a hundred times as fast: what is tested is that waits end, not how long they are.
  const begun = Date.now()
  const clock: Clock = {
    now: () => begun + (Date.now() - begun) * 100,
    after: (milliseconds, call) => {
      const timer = setTimeout(call, milliseconds / 100).unref()
      return { cancel: () => clearTimeout(timer) }
    },
  }
  const pickup = new Pickup({
    directory: new DropDirectory(path),
    own: { gid: GID },
    clock,
    log: {
      write: (event) => {
        events.push(event)
        wake()
      },
    },
    filesPerUser: 10,
    take: (file) =>
      take(file, {
        connection,
        settings: SETTINGS,
        now: () => Date.now(),
        zoneMinutes: () => 0,
        unique: () => 'a1',
      }),
  })
  const world: World = {
    path,
    received,
    events,
    pickup,
    answer: accept,
    until: async (condition) => {
      while (!condition()) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        const look = setTimeout(resolve, 20)
        await promise
        clearTimeout(look)
      }
    },
    drop: (invocation, message, name = `m${Math.random()}`) => {
      const file = join(path, name)
      writeFileSync(
        file,
        formatDropFile({ ...PLAIN, ...invocation }, Buffer.from(message as string)),
        {
          mode: 0o600,
        },
      )
      chmodSync(file, 0o640)
      return file
    },
  }
  try {
    await use(world)
  } finally {
    await pickup.finish()
    queue.close()
    connection.close()
    rmSync(path, { recursive: true, force: true })
  }
}

function queueListener(
  stream: Stream,
  answer: (received: Received) => SubmissionAnswer | 'cancel',
) {
  const pieces: Buffer[] = []
  const recipients: string[] = []
  stream.record({ queueId: 'Q0' })
  return {
    onRecord: (value: unknown) => {
      const batch = value as { recipients: readonly { address: string }[] }
      recipients.push(...batch.recipients.map(({ address }) => address))
    },
    onData: (bytes: Buffer) => {
      pieces.push(bytes)
      stream.grant(bytes.length)
    },
    onEnd: (value: unknown) => {
      const commit = submissionCommit(value)
      assert.ok(commit.ok, 'the commit keeps to its contract')
      const got = { commit: commit.value, recipients, content: Buffer.concat(pieces) }
      const given = answer(got)
      if (given === 'cancel') stream.cancel()
      else stream.end(given)
    },
  }
}

const gone = (file: string) => !existsSync(file)

suite('messages', () => {
  test('a message that lies there and one that comes later are handed over, then removed', () =>
    withPickup(async (world) => {
      const first = world.drop({}, 'Subject: one\r\n\r\nbody')
      await world.until(() => gone(first))
      const second = world.drop({ sender: 'me@x.y' }, 'Subject: two\n\n')
      await world.until(() => gone(second))
      const [one, two] = world.received
      assert.deepEqual(one?.recipients, ['to@b.c'])
      assert.equal(one?.commit.reversePath, 'joe@h.example')
      assert.match(one?.content.toString() ?? '', /^Date: [^]*\nSubject: one\n\nbody\n$/)
      const uid = process.getuid?.() ?? 0
      assert.match(
        one?.commit.prepend ?? '',
        new RegExp(`^Received: by h\\.example \\(Postern, from userid ${uid}\\) id Q0;\n\t`),
      )
      assert.deepEqual(one?.commit.origin, { via: 'drop', uid })
      assert.equal(two?.commit.reversePath, 'me@x.y')
    }))

  test('50 MB arrive whole, and the file is not held in memory', () =>
    withPickup(async (world) => {
      const line = `${'x'.repeat(75)}\r\n`
      const body = Buffer.from(line.repeat(650_000))
      const file = world.drop({}, Buffer.concat([Buffer.from('A: b\r\n\r\n'), body]))
      await world.until(() => gone(file))
      const content = world.received[0]?.content ?? Buffer.alloc(0)
      assert.equal(content.length - content.indexOf('\n\n') - 2, body.length - 650_000)
    }))

  test('CLI-3: without -i a line of a single dot ends the message', () =>
    withPickup(async (world) => {
      const file = world.drop({ keepDots: false }, 'A: b\n\na\n.\nb\n')
      await world.until(() => gone(file))
      assert.ok(world.received[0]?.content.toString().endsWith('A: b\n\na\n'))
    }))

  test('more recipients than a batch holds all arrive', () =>
    withPickup(async (world) => {
      const recipients = Array.from({ length: 99 }, (_, at) => `r${at}@b.c`)
      const file = world.drop({ recipients }, '')
      await world.until(() => gone(file))
      assert.deepEqual(world.received[0]?.recipients, recipients)
    }))
})

suite('what the queue says', () => {
  test('while it defers nothing is removed, and the message is tried again', () =>
    withPickup(async (world) => {
      const accept = world.answer
      world.answer = () => ({ kind: 'deferred', status: '4.3.1', text: 'disk full' })
      const file = world.drop({}, 'A: b\n\n')
      await world.until(() => world.events.some(({ event }) => event === 'left-for-later'))
      assert.ok(existsSync(file))
      world.answer = accept
      world.pickup.notice(undefined)
      await world.until(() => gone(file))
    }))

  test('a crash between commit and removal doubles nothing: the key is the same', () =>
    withPickup(async (world) => {
      const accept = world.answer
      let answered = ''
      world.answer = (received) => {
        const answer = accept(received)
        answered = answer === 'cancel' ? '' : answer.kind === 'accepted' ? answer.queueId : ''
        return 'cancel'
      }
      const file = world.drop({}, 'A: b\n\n')
      await world.until(() => world.events.some(({ event }) => event === 'left-for-later'))
      world.answer = accept
      await world.until(() => gone(file))
      const [first, second] = world.received
      assert.equal(first?.commit.idempotencyKey, second?.commit.idempotencyKey)
      assert.equal(world.events.find(({ event }) => event === 'taken')?.queueId, answered)
    }))

  test('what it refuses goes back to the submitter before the file goes', () =>
    withPickup(async (world) => {
      const accept = world.answer
      world.answer = (received) =>
        received.commit.reversePath === ''
          ? accept(received)
          : { kind: 'failed', status: '5.7.1', text: 'not from here' }
      const file = world.drop({}, 'Subject: mine\n\nbody\n')
      await world.until(() => gone(file))
      const notice = world.received[1]
      assert.deepEqual(notice?.recipients, ['joe@h.example'])
      assert.equal(notice?.commit.reversePath, '')
      assert.match(notice?.content.toString() ?? '', /not from here[^]*Subject: mine\n\nbody\n/)
      assert.notEqual(notice?.commit.idempotencyKey, world.received[0]?.commit.idempotencyKey)
    }))

  test('a notice that is refused goes to the postmaster; as long as nobody has it, the file stays', () =>
    withPickup(async (world) => {
      const accept = world.answer
      world.answer = () => ({ kind: 'failed', status: '5.7.1', text: 'no' })
      const file = world.drop({}, 'A: b\n\n')
      await world.until(() => world.events.some(({ event }) => event === 'left-for-later'))
      assert.ok(existsSync(file))
      world.answer = (received) =>
        received.recipients[0] === 'postmaster@h.example'
          ? accept(received)
          : { kind: 'failed', status: '5.7.1', text: 'no' }
      await world.until(() => gone(file))
    }))
})

suite('messages that cannot be sent go back as a notice', () => {
  const cases: readonly (readonly [string, Partial<Invocation>, string | Buffer, RegExp])[] = [
    ['no recipients', { recipients: [], recipientsInHeader: true }, 'A: b\n\n', /names no recip/],
    ['a recipient that is none', { recipients: ['a b ('] }, 'A: b\n\n', /a b \(/],
    ['a lone CR', {}, 'A: b\n\nx\ry\n', /carriage return/],
    ['a NUL', {}, 'A: b\n\n\0', /NUL/],
    ['a NUL far behind', {}, Buffer.concat([Buffer.alloc(200_000, 'a\n'), Buffer.of(0)]), /NUL/],
    ['a header without end', {}, `A: ${'b'.repeat(1_200_000)}`, /header is too long/],
    ['too large', {}, Buffer.alloc(60_000_001, 97), /60000000/],
    ['a loop', { hops: 31 }, 'A: b\n\n', /circles/],
  ]
  for (const [why, invocation, message, expected] of cases) {
    test(why, () =>
      withPickup(async (world) => {
        const file = world.drop(invocation, message)
        await world.until(() => gone(file))
        assert.equal(world.received.length, 1, 'only the notice is accepted')
        assert.match(world.received[0]?.content.toString() ?? '', expected)
        assert.equal(world.received[0]?.commit.reversePath, '')
      }),
    )
  }

  test('a file that is cut short goes back to its owner', () =>
    withPickup(async (world) => {
      const file = join(world.path, 'cut')
      const whole = formatDropFile(PLAIN, Buffer.from('Subject: x\n\nbody\n'))
      writeFileSync(file, whole.subarray(0, -3), { mode: 0o600 })
      chmodSync(file, 0o640)
      await world.until(() => gone(file))
      assert.match(world.received[0]?.recipients[0] ?? '', /^uid-\d+@h\.example$/)
      assert.match(world.received[0]?.content.toString() ?? '', /its end is missing/)
    }))
})

suite('a hostile drop directory', () => {
  test('links, FIFOs, directories and foreign files are removed or left, and hold nothing up', () =>
    withPickup(async (world) => {
      const outside = mkdtempSync(join(tmpdir(), 'postern-outside-'))
      const secret = join(outside, 'secret')
      writeFileSync(secret, formatDropFile(PLAIN, Buffer.from('A: secret\n\n')))
      chmodSync(secret, 0o640)
      const at = (name: string) => join(world.path, name)
      symlinkSync(secret, at('link'))
      linkSync(secret, at('hard'))
      spawnSync('mkfifo', ['-m', '640', at('fifo')])
      mkdirSync(at('empty'))
      mkdirSync(at('full'))
      writeFileSync(at('full/x'), '')
      writeFileSync(at('open'), formatDropFile(PLAIN, Buffer.from('A: open\n\n')))
      chmodSync(at('open'), 0o666)
      writeFileSync(at('writing'), 'postern-drop 1\n')
      chmodSync(at('writing'), 0o600)
      writeFileSync(at('noise'), Buffer.alloc(100_000, 7))
      chmodSync(at('noise'), 0o640)
      writeFileSync(at('later'), 'postern-drop 7\n')
      chmodSync(at('later'), 0o640)
      const odd = Buffer.concat([Buffer.from(`${world.path}/`), Buffer.of(0xff, 0x0a, 0xfe)])
      writeFileSync(odd, formatDropFile(PLAIN, Buffer.from('A: odd name\n\n')))
      chmodSync(odd, 0o640)
      world.pickup.notice(undefined)
      const good = world.drop({}, 'A: good\n\n')
      await world.until(() => gone(good))
      await world.until(() => readdirSync(world.path).length === 4)
      assert.deepEqual(readdirSync(world.path).sort(), ['full', 'later', 'open', 'writing'])
      assert.ok(existsSync(secret))
      const contents = world.received.map(({ content }) => /^A: .*$/m.exec(content.toString())?.[0])
      assert.deepEqual(new Set(contents), new Set(['A: good', 'A: odd name']))
      assert.equal(contents.length, 2)
      const reported = world.events.filter(({ event }) => event === 'not-a-message')
      assert.equal(reported.filter(({ fields }) => fields?.['name'] === 'open').length, 1)
      rmSync(outside, { recursive: true })
    }))

  test('the owner of a file is who submitted it, whatever it says', { skip: asRoot }, () =>
    withPickup(async (world) => {
      const file = join(world.path, 'theirs')
      writeFileSync(file, formatDropFile({ ...PLAIN, login: 'root' }, Buffer.from('A: b\n\n')))
      chownSync(file, 4711, GID)
      chmodSync(file, 0o640)
      await world.until(() => gone(file))
      assert.equal(world.received[0]?.commit.origin.uid, 4711)
      assert.match(world.received[0]?.commit.prepend ?? '', /userid 4711/)
    }),
  )

  test('a file of another group is no message', { skip: asRoot }, () =>
    withPickup(async (world) => {
      const file = join(world.path, 'theirs')
      writeFileSync(file, formatDropFile(PLAIN, Buffer.from('A: b\n\n')))
      chownSync(file, 4711, 4711)
      chmodSync(file, 0o640)
      await world.until(() => world.events.some(({ event }) => event === 'not-a-message'))
      assert.ok(existsSync(file))
      assert.equal(world.received.length, 0)
    }),
  )

  test('one user with many files does not keep another waiting', { skip: asRoot }, () =>
    withPickup(async (world) => {
      const accept = world.answer
      world.answer = () => ({ kind: 'deferred', status: '4.3.1', text: 'not yet' })
      for (let at = 0; at < 200; at += 1) {
        chownSync(world.drop({ sender: 'many@x.y' }, 'A: b\n\n'), 4711, GID)
      }
      const one = world.drop({ sender: 'one@x.y' }, 'A: b\n\n')
      chownSync(one, 4712, GID)
      await world.until(() => world.events.some(({ event }) => event === 'left-for-later'))
      world.received.length = 0
      world.answer = accept
      await world.until(() => gone(one))
      await world.until(() => readdirSync(world.path).length === 0)
    }),
  )
})

test('finishing waits for what is being taken', () =>
  withPickup(async (world) => {
    const file = world.drop({}, 'A: b\n\n')
    await world.until(() => world.received.length === 1 || gone(file))
    await world.pickup.finish()
    const later = world.drop({}, 'A: c\n\n')
    world.pickup.notice(undefined)
    assert.ok(statSync(later).isFile())
  }))
