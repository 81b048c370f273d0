import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { Invocation } from '../../contracts/drop-file.ts'
import { DROP_ENVIRONMENT, formatDropFile } from '../../contracts/drop-file.ts'
import type { PickupSettings } from '../../contracts/settings.ts'
import type { SubmissionAnswer } from '../../contracts/submission.ts'
import { queueRequest, recipientBatch, submissionCommit } from '../../contracts/submission.ts'
import type { Stream } from '../../io/connection.ts'
import type { Taken } from './take.ts'
import { GIVEN_BACK_AFTER_DAYS, take } from './take.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 10, 22)
const LIMITS = { messageSize: 1_000_000, recipientsPerMessage: 200, hops: 30 }
const SETTINGS = {
  hostname: 'h.example',
  limits: LIMITS as PickupSettings['limits'],
  paths: { queue: '', drop: '', run: '' },
  log: { to: { kind: 'stderr' }, format: 'text', keepEvents: 0 },
} as const satisfies PickupSettings

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
const ACCEPTED: SubmissionAnswer = { kind: 'accepted', queueId: 'Q1' }
const DEFERRED: SubmissionAnswer = { kind: 'deferred', status: '4.3.0', text: 'not this one' }

interface Submitted {
  readonly reversePath: string
  readonly content: string
}

interface Bench {
  /** What the queue got last. */
  readonly submitted: Submitted[]
  /** What was not as the contract has it. */
  readonly broken: string[]
  answer: (submitted: Submitted) => SubmissionAnswer
  take(bytes: Buffer, age?: number): Promise<Taken>
}

/** A queue that holds every record against its shape. */
async function withQueue(use: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-take-'))
  const [queue, connection] = await connectionPair(
    {
      onOpen: (stream, head) => {
        if (!queueRequest(head).ok) bench.broken.push('head')
        return listener(stream, bench)
      },
    },
    { onHello: () => ready.resolve() },
  )
  const ready = Promise.withResolvers<void>()
  const bench: Bench = {
    submitted: [],
    broken: [],
    answer: () => ACCEPTED,
    take: async (bytes, age = 0) => {
      const path = join(directory, 'file')
      writeFileSync(path, bytes)
      const handle = await open(path)
      const changedAt = NOW - age
      const status = {
        isFile: true,
        isDirectory: false,
        links: 1,
        gid: 0,
        mode: 0o640,
        changedAt,
      }
      const file = { handle, status, uid: 1000, size: bytes.length, key: `drop/1/2/${changedAt}` }
      try {
        return await take(file, {
          connection,
          settings: SETTINGS,
          now: () => NOW,
          zoneMinutes: () => 0,
          unique: () => 'a1',
        })
      } finally {
        await handle.close()
      }
    },
  }
  try {
    await ready.promise
    await use(bench)
  } finally {
    queue.close()
    connection.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function listener(stream: Stream, bench: Bench) {
  const pieces: Buffer[] = []
  stream.record({ queueId: 'Q'.repeat(32) })
  return {
    onRecord: (value: unknown) => {
      const batch = recipientBatch(value)
      if (!batch.ok) bench.broken.push(batch.problem)
    },
    onData: (bytes: Buffer) => {
      pieces.push(bytes)
      stream.grant(bytes.length)
    },
    onEnd: (value: unknown) => {
      const commit = submissionCommit(value)
      const content = Buffer.concat(pieces).toString('latin1')
      if (/[\r\0]/.test(content)) bench.broken.push('content')
      if (!commit.ok) bench.broken.push(commit.problem)
      else if (/[\u0000-\u001f\u007f]/.test(commit.value.reversePath)) bench.broken.push('sender')
      const reversePath = commit.ok ? commit.value.reversePath : ''
      const submitted = { reversePath, content }
      bench.submitted.push(submitted)
      stream.end(bench.answer(submitted))
    },
  }
}

const entry = (key: string, value: string) => `${key} ${Buffer.byteLength(value)}:${value},\n`
const fileOf = (head: string, message: string) =>
  Buffer.from(`postern-drop 1\n${head}message\n${message}\nend ${Buffer.byteLength(message)}\n`)

/** Long, with control characters, beyond ASCII, quoted, or all of it. */
const HOSTILE = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .tuple(
      fc.constantFrom(
        'x',
        '"',
        '\\',
        'ü',
        '\u{1f600}',
        '\0',
        '\r',
        '\n',
        '+2B',
        'a.',
        '@',
        '(',
        ',',
      ),
      fc.constantFrom(1, 2, 60, 101, 256, 300, 901, 30_000),
      fc.constantFrom('', '@b.c', '@', '"@b.c', `@${'x.'.repeat(120)}c`, '@[', ' (c) <a@b.c>'),
    )
    .map(([text, times, end]) => `${end.startsWith('"') ? '"' : ''}${text.repeat(times)}${end}`),
)
const HEADS = fc
  .record(
    {
      login: HOSTILE,
      sender: HOSTILE,
      name: HOSTILE,
      'envelope-id': HOSTILE,
      hops: fc.constantFrom('0', '30', '9999', '-1'),
      notify: fc.constantFrom('never', 'success,failure,delay', 'success,success,success', 'x'),
      ret: fc.constantFrom('full', 'hdrs', 'x'),
      body: fc.constant('8bitmime'),
      gateway: fc.constant('yes'),
      'recipients-in-header': fc.constant('yes'),
      'keep-dots': fc.constant('yes'),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map((entries) => Object.entries(entries).map(([key, value]) => entry(key, value ?? '')))
const ENVIRONMENT = fc.array(
  fc
    .tuple(fc.constantFrom(...DROP_ENVIRONMENT), HOSTILE)
    .map(([name, value]) => entry('environment', `${name}=${value}`)),
  { maxLength: 4 },
)
const RECIPIENTS = fc.oneof(
  fc.array(HOSTILE, { maxLength: 3 }),
  HOSTILE.map((address) => Array.from({ length: 60 }, (_, at) => `${at}${address}`)),
  fc.constant(['to@b.c']),
)
const MESSAGES = fc.oneof(
  fc.constant('A: b\n\nbody\n'),
  HOSTILE.map((text) => `Return-Path: ${text}\nTo: ${text}\n\n${text}`),
)

test('everything a drop file can hold becomes a submission by the contract, or a notice', () =>
  withQueue(async (bench) => {
    const kinds = new Map<string, number>()
    const property = fc.asyncProperty(
      HEADS,
      ENVIRONMENT,
      RECIPIENTS,
      MESSAGES,
      async (head, environment, recipients, message) => {
        bench.submitted.length = 0
        const entries = [...head, ...environment, ...recipients.map((to) => entry('recipient', to))]
        const taken = await bench.take(fileOf(entries.join(''), message))
        kinds.set(taken.kind, (kinds.get(taken.kind) ?? 0) + 1)
        assert.ok(taken.kind === 'accepted' || taken.kind === 'returned', taken.kind)
        assert.deepEqual(bench.broken, [])
        assert.equal(bench.submitted.length, 1)
        // The grammar of addresses says no before the contract has to.
        assert.doesNotMatch(bench.submitted[0]?.content ?? '', /cannot be handed to the queue/)
      },
    )
    await fc.assert(property, { numRuns: 300 })
    assert.ok((kinds.get('accepted') ?? 0) > 0 && (kinds.get('returned') ?? 0) > 0)
  }))

suite('files that were poison', () => {
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'an envelope id of 105 characters',
      fileOf(entry('envelope-id', '+2B'.repeat(35)) + entry('recipient', 'a@b.c'), ''),
      /head is malformed/,
    ],
    [
      'an endless host in the environment',
      formatDropFile({ ...PLAIN, environment: { QMAILHOST: 'x'.repeat(30_000) } }, Buffer.of()),
      /5\.1\.7/,
    ],
    [
      'a sender with a NUL in it',
      formatDropFile({ ...PLAIN, sender: 'a\0 (' }, Buffer.of()),
      /5\.1\.7/,
    ],
    [
      'a name that makes the header longer than any may be',
      formatDropFile({ ...PLAIN, name: 'x'.repeat(1_100_000) }, Buffer.of()),
      /header is too long/,
    ],
  ]
  for (const [why, bytes, expected] of cases) {
    test(`${why}: comes back as a notice`, () =>
      withQueue(async (bench) => {
        assert.equal((await bench.take(bytes)).kind, 'returned')
        assert.match(bench.submitted[0]?.content ?? '', expected)
        assert.deepEqual(bench.broken, [])
      }))
  }

  test('sixty recipients as long as an address may be are accepted', () =>
    withQueue(async (bench) => {
      const recipients = Array.from(
        { length: 60 },
        (_, at) => `"${100 + at}${String.raw`\"`.repeat(253)}"@${'x.'.repeat(127)}x`,
      )
      const taken = await bench.take(formatDropFile({ ...PLAIN, recipients }, Buffer.of()))
      assert.equal(taken.kind, 'accepted')
      assert.deepEqual(bench.broken, [])
    }))
})

suite('what the queue does not take', () => {
  const message = formatDropFile(PLAIN, Buffer.from('Subject: mine\n\n'))
  const onlyNotices = ({ reversePath }: Submitted) => (reversePath === '' ? ACCEPTED : DEFERRED)

  test('waits, and holds up nobody else unless nobody is served', () =>
    withQueue(async (bench) => {
      bench.answer = () => DEFERRED
      const why = '4.3.0 not this one'
      assert.deepEqual(await bench.take(message), { kind: 'deferred', why, everybody: false })
      bench.answer = () => ({ kind: 'deferred', status: '4.3.1', text: 'disk full' })
      assert.partialDeepStrictEqual(await bench.take(message), { everybody: true })
    }))

  test('is given back once it is days old, and not before', () =>
    withQueue(async (bench) => {
      bench.answer = onlyNotices
      const limit = GIVEN_BACK_AFTER_DAYS * DAY
      assert.equal((await bench.take(message, limit)).kind, 'deferred')
      assert.equal((await bench.take(message, limit + 1)).kind, 'returned')
      const notice = bench.submitted.at(-1)?.content ?? ''
      assert.match(notice, /For 5 days[^]*not this one[^]*\(5\.4\.7\)[^]*Subject: mine/)
    }))

  test('stays as long as the notice is not taken either, however old it is', () =>
    withQueue(async (bench) => {
      bench.answer = () => DEFERRED
      assert.equal((await bench.take(message, 100 * DAY)).kind, 'deferred')
    }))

  test('an old file that is taken now is not given back', () =>
    withQueue(async (bench) => {
      assert.equal((await bench.take(message, 100 * DAY)).kind, 'accepted')
    }))
})
