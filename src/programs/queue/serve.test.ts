import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { manualClock } from '../../../test/support/manual-clock.ts'
import type { Attempt, Script } from '../../../test/support/queue-partners.ts'
import {
  ask,
  collectingLog,
  deliveryListener,
  joinLauncher,
  joinPartner,
  SELF,
  STORED,
  storeAll,
  submit,
  testSettings,
} from '../../../test/support/queue-partners.ts'
import { socketPair } from '../../../test/support/socket-pair.ts'
import type { Deferred, Failed, Outcome } from '../../contracts/outcome.ts'
import type { QueueSettings } from '../../contracts/settings.ts'
import { startQueue } from './serve.ts'
import type { MemoryOptions } from './store/memory.ts'
import { openMemoryStore } from './store/memory.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { QueueStore } from './store/store.ts'
import { StoreFailure, StoreFull } from './store/store.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

interface Options {
  readonly settings?: Partial<QueueSettings>
  /** On SQLite, there; otherwise in memory. */
  readonly directory?: string
  readonly memory?: MemoryOptions
  readonly wrap?: (store: QueueStore) => QueueStore
  readonly free?: () => number
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-queue-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function start(options: Options = {}) {
  const clock = manualClock()
  const log = collectingLog()
  const { directory } = options
  const opened = await (directory === undefined
    ? openMemoryStore({ clock: () => clock.now(), ...options.memory })
    : openSqliteStore({ directory, keepFree: 0 }))
  const store = options.wrap?.(opened) ?? opened
  const failures: unknown[] = []
  let settings = testSettings(options.settings)
  let tokens = 0
  const queue = await startQueue({
    store,
    clock,
    log,
    self: SELF,
    settings: () => settings,
    onStoreFailure: (error) => failures.push(error),
    freeBytes: () => Promise.resolve(options.free?.() ?? 1e12),
    token: () => `token${(tokens += 1)}`,
  })
  const close = async () => {
    const finished = queue.finish(0)
    clock.advance(1_000)
    await finished
    await store.close()
  }
  let closed = false
  cleanups.push(() => (closed ? undefined : close()))
  return {
    queue,
    store,
    clock,
    log,
    failures,
    receiver: await joinPartner(queue, 'receiver'),
    setSettings: (more: Partial<QueueSettings>) => {
      settings = { ...settings, ...more }
      queue.reload()
    },
    stop: async () => {
      closed = true
      await close()
    },
    named: (event: string) => log.events.filter((one) => one.event === event),
  }
}

/** Lets the event loop turn until something is so; the runner's time limit ends what never is. */
async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setImmediate(resolve))
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

function recording(script: Script): { readonly script: Script; readonly attempts: Attempt[] } {
  const attempts: Attempt[] = []
  return {
    attempts,
    script: (attempt) => {
      attempts.push(attempt)
      script(attempt)
    },
  }
}

const addressesOf = (attempt: Attempt) => attempt.head.recipients.map(({ address }) => address)
const busy: Deferred = { kind: 'deferred', status: '4.2.0', text: 'busy' }
const gone: Failed = { kind: 'failed', status: '5.1.1', text: 'no such user' }
const unreachable: Deferred = { kind: 'deferred', status: '4.4.1', text: 'no', unreachable: true }

test('a message to an account is accepted, delivered once by its agent, and leaves', async () => {
  const { queue, receiver, store, clock, named } = await start()
  const { script, attempts } = recording(storeAll)
  await joinLauncher(queue, script)
  const answer = (await submit(receiver, { to: ['joe@example.org'] })) as { queueId: string }
  await until(() => named('ended').length === 1)
  assert.equal(attempts.length, 1)
  assert.equal(attempts[0]?.content, 'Received: by test\nSubject: test\n\nHello.\n')
  assert.deepEqual(attempts[0]?.head, {
    type: 'deliver',
    queueId: answer.queueId,
    reversePath: 'ann@example.com',
    size: attempts[0]?.content.length,
    recipients: [{ recipient: 0, address: 'joe@example.org', mailbox: 'Maildir/', create: true }],
  })
  assert.equal((await store.counts(clock.now())).messages, 0)
  for (const event of ['accepted', 'delivered', 'ended']) {
    assert.deepEqual(
      named(event).map(({ queueId }) => queueId),
      [answer.queueId],
    )
  }
})

test('recipients of one message at one domain share an attempt, in batches of fifty', async () => {
  const { queue, receiver, named } = await start()
  const { script, attempts } = recording(storeAll)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  const to = Array.from({ length: 60 }, (_, n) => `u${n}@one.example`)
  await submit(receiver, { to: [...to, 'x@two.example'] })
  await until(() => named('ended').length === 1)
  const sizes = attempts.map((attempt) => attempt.head.recipients.length)
  assert.deepEqual(
    sizes.sort((a, b) => b - a),
    [50, 10, 1],
  )
  assert.deepEqual(attempts.flatMap(addressesOf).sort(), [...to, 'x@two.example'].sort())
})

test('RS-7 a deferred recipient is tried again on schedule, a delivered one never', async () => {
  const { queue, receiver, clock, named } = await start()
  let calls = 0
  const { script, attempts } = recording(({ head, stream, answer }) => {
    calls += 1
    if (calls > 1) return answer(STORED)
    for (const { recipient, address } of head.recipients) {
      stream.record({ recipient, outcome: address.startsWith('a') ? STORED : busy })
    }
    stream.end({})
  })
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await submit(receiver, { to: ['a@x.example', 'b@x.example'] })
  await until(() => named('deferred').length === 1)
  clock.advance(399_000)
  await turns(20)
  assert.equal(attempts.length, 1)
  clock.advance(1_500)
  await until(() => named('ended').length === 1)
  assert.deepEqual(attempts.map(addressesOf), [['a@x.example', 'b@x.example'], ['b@x.example']])
})

test('a failed recipient is reported to the sender exactly once, with the original inside', async () => {
  const { queue, receiver, named } = await start()
  const { script, attempts } = recording(({ by, answer }) =>
    answer(by === 'remote' ? { ...gone, host: 'mx.x.example', reply: '550 no' } : STORED),
  )
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await submit(receiver, { from: 'ann@example.org', to: ['joe@x.example', 'eve@x.example'] })
  await until(() => named('ended').length === 2)
  const reports = attempts.filter(({ by }) => by === 'ann')
  assert.equal(reports.length, 1)
  const [report] = reports
  assert.equal(report?.head.reversePath, '')
  assert.match(report?.content ?? '', /^Content-Type: multipart\/report/m)
  assert.match(report?.content ?? '', /^Final-Recipient: rfc822; joe@x\.example$/m)
  assert.match(report?.content ?? '', /^Final-Recipient: rfc822; eve@x\.example$/m)
  assert.match(report?.content ?? '', /^Diagnostic-Code: smtp; 550 no$/m)
  assert.match(report?.content ?? '', /\nReceived: by test\nSubject: test\n\nHello\.\n/)
  assert.equal(report?.content.length, report?.head.size)
  assert.equal(named('reported').length, 1)
})

test('of a long message, and where the sender asks for it, only the header comes back', async () => {
  const { queue, receiver, named } = await start()
  const { script, attempts } = recording(({ by, answer }) =>
    answer(by === 'remote' ? gone : STORED),
  )
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  const content = `Subject: long\n\n${'secret body\n'.repeat(10_000)}`
  await submit(receiver, { from: 'ann@example.org', to: ['joe@x.example'], content })
  const commit = { ret: 'hdrs' } as const
  await submit(receiver, { from: 'ann@example.org', to: ['joe@x.example'], commit })
  await until(() => named('ended').length === 4)
  const reports = attempts.filter(({ by }) => by === 'ann')
  assert.equal(reports.length, 2)
  for (const { content } of reports) {
    assert.match(content, /text\/rfc822-headers/)
    assert.doesNotMatch(content, /secret body|Hello/)
  }
})

test('BN-3 a report that fails goes to the postmaster, BN-4 and that one failing is discarded', async () => {
  const { queue, receiver, named, store, clock } = await start()
  const { script, attempts } = recording(({ answer }) => answer(gone))
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await submit(receiver, { from: 'ann@example.org', to: ['joe@x.example'] })
  await until(() => named('discarded').length === 1)
  await until(() => named('ended').length === 3)
  assert.deepEqual(
    attempts.map(({ by }) => by),
    ['remote', 'ann', 'postmaster'],
  )
  assert.deepEqual(
    attempts.map(({ head }) => head.reversePath),
    ['ann@example.org', '', ''],
  )
  assert.match(attempts[2]?.content ?? '', /A delivery report could not be delivered/)
  assert.equal((await store.counts(clock.now())).messages, 0)
})

test('NOTIFY decides: success is told of local mailboxes, never is never told', async () => {
  const { queue, receiver, named } = await start()
  const { script, attempts } = recording(({ by, answer }) =>
    answer(by === 'remote' ? gone : STORED),
  )
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await submit(receiver, {
    from: 'ann@example.org',
    to: [
      { address: 'joe@example.org', notify: ['success'] },
      { address: 'never@x.example', notify: ['never'] },
    ],
  })
  await until(() => named('ended').length === 2)
  const reports = attempts.filter(({ by }) => by === 'ann')
  assert.equal(reports.length, 1)
  assert.match(reports[0]?.content ?? '', /^Action: delivered$/m)
  assert.doesNotMatch(reports[0]?.content ?? '', /never@x/)
})

test('an address no mailbox can have fails at once with 5.1.1', async () => {
  const { queue, receiver, named } = await start()
  const { script, attempts } = recording(storeAll)
  await joinLauncher(queue, script)
  await submit(receiver, { from: 'ann@example.org', to: ['"not a user"@example.org'] })
  await until(() => named('ended').length === 2)
  assert.equal(named('failed')[0]?.fields?.['status'], '5.1.1')
  assert.deepEqual(
    attempts.map(({ by }) => by),
    ['ann'],
  )
})

test('a refused agent fails what waits for it; one that cannot be had puts it off', async () => {
  const { queue, receiver, named } = await start()
  await joinLauncher(queue, storeAll, ({ name }) => {
    if (name === 'nobody') return gone
    return name === 'slow'
      ? { kind: 'deferred', status: '4.3.0', text: 'home hangs' }
      : { kind: 'started' }
  })
  await submit(receiver, {
    from: 'ann@example.org',
    to: ['nobody@example.org', 'slow@example.org'],
  })
  await until(() => named('failed').length === 1 && named('deferred').length === 1)
  assert.match(String(named('failed')[0]?.fields?.['to']), /nobody/)
  assert.match(String(named('deferred')[0]?.fields?.['text']), /home hangs/)
})

test('what an agent says of recipients it was not given, twice, or badly has no effect', async () => {
  const { queue, receiver, named, store, clock } = await start()
  const forged: Script = ({ stream }) => {
    stream.record({ recipient: 7, outcome: STORED })
    stream.record({ recipient: 0, outcome: { kind: 'delivered', status: '5.0.0', text: '' } })
    stream.record('nonsense')
    stream.record({ recipient: 0, outcome: busy })
    stream.record({ recipient: 0, outcome: STORED })
    stream.end({})
  }
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', forged) })
  await submit(receiver, { to: ['a@x.example', 'b@x.example'] })
  await until(() => named('deferred').length === 2)
  assert.equal(named('delivered').length, 0)
  assert.equal(named('agent-misbehaves').length, 3)
  assert.equal((await store.counts(clock.now())).recipients, 2)
  const texts = named('deferred').map(({ fields }) => fields?.['text'])
  assert.ok(texts.includes('busy') && texts.some((text) => /without a word/.test(String(text))))
})

test('a crashed agent gives its recipients back: tried again soon, then by the schedule', async () => {
  const { queue, receiver, clock, named } = await start()
  let launcher: Awaited<ReturnType<typeof joinLauncher>> | undefined
  const { script, attempts } = recording(({ by }) => launcher?.crash(by))
  launcher = await joinLauncher(queue, script)
  await submit(receiver, { to: ['joe@example.org'] })
  for (let seconds = 0; named('deferred').length === 0; seconds += 1) {
    assert.ok(seconds < 30)
    await turns(50)
    clock.advance(1_000)
  }
  assert.equal(attempts.length, 3)
  assert.match(String(named('deferred')[0]?.fields?.['text']), /several times/)
})

test('a remote agent that dies in the middle loses nothing; its successor goes on', async () => {
  const { queue, receiver, clock, named } = await start()
  const first = await joinPartner(queue, 'remote', {
    onOpen: deliveryListener('remote', ({ stream }) => {
      stream.record({ recipient: 0, outcome: STORED })
      setImmediate(() => first.close())
    }),
  })
  await submit(receiver, { to: ['a@x.example', 'b@x.example', 'c@x.example'] })
  await until(() => named('partner-lost').length === 1)
  const { script, attempts } = recording(storeAll)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await turns(20)
  clock.advance(5_000)
  await until(() => named('ended').length === 1)
  assert.deepEqual(attempts.flatMap(addressesOf), ['b@x.example', 'c@x.example'])
  assert.equal(named('delivered').length, 3)
})

test('without launcher or remote agent mail waits, and goes when they come', async () => {
  const { queue, receiver, named } = await start()
  await submit(receiver, { to: ['joe@example.org', 'a@x.example'] })
  await turns(30)
  assert.equal(named('deferred').length, 0)
  await joinLauncher(queue, storeAll)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', storeAll) })
  await until(() => named('ended').length === 1)
})

test('a note beside a list of 100,000 is attempted within the first few attempts after it', async () => {
  const { queue, receiver, named } = await start()
  const open: Attempt[] = []
  const { script, attempts } = recording((attempt) => open.push(attempt))
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  const list = Array.from({ length: 100_000 }, (_, n) => `u${n}@d${n % 500}.example`)
  await submit(receiver, { to: list })
  await until(() => attempts.length >= 75)
  await turns(50)
  assert.equal(attempts.length, 75, 'the list leaves a quarter of the slots free')
  assert.ok(queue.claimed <= 50_000)
  const note = await submit(receiver, { to: ['ann@d7.example'] })
  await until(() => attempts.length > 75)
  assert.deepEqual(addressesOf(attempts[75] as Attempt), ['ann@d7.example'])
  assert.equal(attempts[75]?.head.queueId, (note as { queueId: string }).queueId)
  for (const attempt of open) attempt.answer(STORED)
  await until(() => named('delivered').length > 75)
})

test('a site that cannot be reached is rested: no attempts, but its mail keeps its schedule', async () => {
  const { queue, receiver, clock, named } = await start()
  const { script, attempts } = recording(({ answer }) => answer(unreachable))
  const remote = await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  for (const domain of ['a.example', 'b.example', 'c.example']) {
    remote.notice({ type: 'site', domain, site: 'mx.dead.example', ttlSeconds: 3600 })
  }
  await submit(receiver, { to: ['x@a.example'] })
  await until(() => named('deferred').length === 1)
  clock.advance(1_000)
  await submit(receiver, { to: ['x@b.example'] })
  await until(() => named('site-rests').length === 1)
  clock.advance(1_000)
  await submit(receiver, { to: ['x@c.example'] })
  await until(() => named('deferred').length === 3)
  assert.equal(attempts.length, 2)
  assert.match(String(named('deferred')[2]?.fields?.['text']), /given a rest/)
  await joinPartner(queue, 'remote', {
    onOpen: deliveryListener('remote', recording(storeAll).script),
  })
  clock.advance(3_600_000)
  await until(() => named('ended').length >= 1)
})

test('no more than the limit of attempts at one site and in all', async () => {
  const { queue, receiver } = await start()
  const { script, attempts } = recording(() => undefined)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  for (let count = 0; count < 12; count += 1) await submit(receiver, { to: ['x@one.example'] })
  await turns(100)
  assert.equal(attempts.length, 5, 'a fresh site is given five')
})

test('mail past its lifetime fails at its next attempt and is reported', async () => {
  const { queue, receiver, clock, named } = await start({
    settings: { retry: { lifetime: 300, localSpacing: 10, remoteSpacing: 20, schedule: [] } },
  })
  const { script, attempts } = recording(({ by, answer }) =>
    answer(by === 'remote' ? busy : STORED),
  )
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await submit(receiver, { from: 'ann@example.org', to: ['x@one.example'] })
  await until(() => named('deferred').length === 1)
  clock.advance(401_000)
  await until(() => named('ended').length === 2)
  assert.match(attempts.find(({ by }) => by === 'ann')?.content ?? '', /no more attempts/)
})

test('at most so many agents live; idle ones make room, and everyone is served', async () => {
  const limits = { ...testSettings().limits, agents: 3 }
  const { queue, receiver, clock, named } = await start({ settings: { limits } })
  const launcher = await joinLauncher(queue, storeAll)
  let most = 0
  const to = Array.from({ length: 12 }, (_, n) => `user${n}@example.org`)
  await submit(receiver, { to })
  await until(async () => {
    most = Math.max(most, launcher.alive.size)
    clock.advance(100)
    await turns(2)
    return named('ended').length === 1
  })
  assert.equal(named('delivered').length, 12)
  assert.ok(most <= 3, `${most} agents at once`)
})

test('an idle agent leaves after its time', async () => {
  const { queue, receiver, clock, named } = await start()
  const launcher = await joinLauncher(queue, storeAll)
  await submit(receiver, { to: ['joe@example.org'] })
  await until(() => named('ended').length === 1)
  await turns(5)
  clock.advance(59_000)
  await turns(5)
  assert.equal(launcher.alive.size, 1)
  clock.advance(60_000)
  await until(() => launcher.alive.size === 0)
})

test('after a restart what was under way is tried again, and nothing else', async () => {
  const directory = await temporaryDirectory()
  const first = await start({ directory })
  const launched = await joinLauncher(first.queue, ({ head, answer }) => {
    if (head.recipients[0]?.address === 'joe@example.org') answer(STORED)
  })
  await submit(first.receiver, { to: ['joe@example.org', 'eve@example.org'] })
  await until(() => first.named('delivered').length === 1)
  await first.stop()
  launched.connection.close()
  const second = await start({ directory })
  const { script, attempts } = recording(storeAll)
  await joinLauncher(second.queue, script)
  await until(() => second.named('ended').length === 1)
  assert.deepEqual(attempts.map(addressesOf), [['eve@example.org']])
})

const REFUSALS = [
  { why: 'a CR in the content', message: { content: 'a\r\nb\n' }, status: '5.6.0' },
  { why: 'a NUL in the content', message: { content: 'a\0b\n' }, status: '5.6.0' },
  { why: 'no recipients', message: { to: [] }, status: '5.5.1' },
  { why: 'a line end in a recipient', message: { to: ['a@b\nX: y'] }, status: '5.1.3' },
  { why: 'a line end in the sender', message: { from: 'a\nb@c' }, status: '5.1.7' },
  {
    why: 'a CR in the fields in front',
    message: { commit: { prepend: 'a\r\n' } },
    status: '5.6.0',
  },
  { why: 'a forged report', message: { commit: { origin: { via: 'report' } } }, status: '4.3.0' },
  {
    why: 'the origin of another program',
    message: { commit: { origin: { via: 'drop', uid: 0 } } },
    status: '4.3.0',
  },
  { why: 'a key from a receiver', message: { commit: { idempotencyKey: 'k' } }, status: '4.3.0' },
  { why: 'a recipient that is no address', message: { to: ['a@b@c'] }, status: '5.1.3' },
  { why: 'a source route', message: { to: ['@x.example:joe@example.org'] }, status: '5.1.3' },
  { why: 'a sender that is no address', message: { from: '../etc' }, status: '5.1.7' },
  { why: 'a malformed commit', message: { commit: { body: '9bit' } }, status: '4.3.0' },
]
for (const { why, message, status } of REFUSALS) {
  test(`a submission with ${why} is refused with ${status} and leaves nothing`, async () => {
    const { receiver, store, clock } = await start()
    const answer = await submit(receiver, { to: ['joe@example.org'], ...message } as never)
    assert.equal((answer as { status: string }).status, status)
    assert.equal((await store.counts(clock.now())).messages, 0)
    const good = await submit(receiver, { to: ['joe@example.org'] })
    assert.equal((good as { kind: string }).kind, 'accepted')
  })
}

test('a message that is too big, or too many recipients, is refused', async () => {
  const limits = { ...testSettings().limits, messageSize: 1_000, recipientsPerMessage: 3 }
  const { receiver } = await start({ settings: { limits } })
  const big = await submit(receiver, {
    to: ['joe@example.org'],
    content: Buffer.alloc(100_000, 10),
  })
  assert.equal((big as { status: string }).status, '5.3.4')
  const many = await submit(receiver, { to: ['a@b', 'b@b', 'c@b', 'd@b'] })
  assert.equal((many as { status: string }).status, '5.5.3')
})

test('a disk without room refuses new mail while what is queued goes on', async () => {
  let free = 1e12
  const { queue, receiver, named, clock } = await start({ free: () => free })
  await submit(receiver, { to: ['joe@example.org'] })
  free = 999
  clock.advance(1_000)
  const answer = await submit(receiver, { to: ['joe@example.org'] })
  assert.equal((answer as { status: string }).status, '4.3.1')
  await joinLauncher(queue, storeAll)
  await until(() => named('ended').length === 1)
})

test('the first message after a start is refused too where there is no room', async () => {
  const { receiver, store, clock } = await start({ free: () => 1_000_000 })
  const answer = await submit(receiver, { to: ['joe@example.org'] })
  assert.equal((answer as { status: string }).status, '4.3.1')
  assert.equal((await store.counts(clock.now())).messages, 0)
})

test('a disk that fills while a message arrives that announced no size ends it', async () => {
  let free = 6_000_000
  const wrap = (store: QueueStore): QueueStore => ({
    ...store,
    arrive: () => {
      const arrival = store.arrive()
      return {
        queueId: arrival.queueId,
        write: (bytes) => {
          free -= bytes.length
          return arrival.write(bytes)
        },
        addRecipients: (recipients) => arrival.addRecipients(recipients),
        commit: (request) => arrival.commit(request),
        abort: () => arrival.abort(),
      }
    },
  })
  const { receiver } = await start({ free: () => free, wrap })
  const content = Buffer.alloc(10_000_000, 'text\n')
  const answer = await submit(receiver, { to: ['joe@example.org'], content })
  assert.equal((answer as { status: string }).status, '4.3.1')
  assert.ok(free > 1_000, `${free} bytes were left`)
})

test('a partner that opens all the submissions it can leaves the others theirs', async () => {
  const { queue, receiver } = await start()
  const refused: unknown[] = []
  for (let n = 0; n < 450; n += 1) {
    receiver.open({ type: 'submit' }, { onEnd: (value) => refused.push(value) })
  }
  await until(() => refused.length === 50)
  assert.equal((refused[0] as { status: string }).status, '4.3.2')
  const pickup = await joinPartner(queue, 'pickup')
  const commit = { origin: { via: 'drop', uid: 7 }, idempotencyKey: 'k' } as const
  const answer = await submit(pickup, { to: ['joe@example.org'], commit })
  assert.equal((answer as { kind: string }).kind, 'accepted')
})

test('a submission that stands still for ten minutes is given up', async () => {
  const { receiver, clock } = await start()
  let answer: unknown
  const stream = receiver.open({ type: 'submit' }, { onEnd: (value) => (answer = value) })
  await turns(20)
  clock.advance(599_000)
  await stream.write(Buffer.from('still here\n'))
  await turns(20)
  clock.advance(599_000)
  await turns(20)
  assert.equal(answer, undefined)
  clock.advance(1_000)
  await until(() => answer !== undefined)
  assert.equal((answer as unknown as { status: string }).status, '4.4.2')
})

test('a submission cancelled, or cut off, was never there', async () => {
  const { receiver, store, clock, queue } = await start()
  const stream = receiver.open({ type: 'submit' }, {})
  stream.record({ recipients: [{ address: 'joe@example.org' }] })
  await stream.write(Buffer.from('half a mess'))
  stream.cancel()
  const other = await joinPartner(queue, 'receiver', { index: 1 })
  const cut = other.open({ type: 'submit' }, {})
  cut.record({ recipients: [{ address: 'joe@example.org' }] })
  await cut.write(Buffer.from('half a mess'))
  await turns(10)
  other.close()
  await turns(10)
  assert.equal((await store.counts(clock.now())).messages, 0)
})

test('the same key is accepted once only', async () => {
  const { queue, store, clock } = await start()
  const pickup = await joinPartner(queue, 'pickup')
  const commit = { idempotencyKey: 'k1', origin: { via: 'drop', uid: 7 } } as const
  const message = { to: ['joe@example.org'], commit }
  const one = (await submit(pickup, message)) as { queueId: string }
  const two = (await submit(pickup, message)) as { queueId: string }
  assert.equal(one.queueId, two.queueId)
  assert.equal((await store.counts(clock.now())).messages, 1)
})

test('a store that fails answers temporarily and ends the program, for it may not be believed', async () => {
  const { receiver, failures } = await start({
    wrap: (store) => ({
      ...store,
      arrive: () => {
        const arrival = store.arrive()
        return {
          queueId: arrival.queueId,
          write: (bytes) => arrival.write(bytes),
          addRecipients: (recipients) => arrival.addRecipients(recipients),
          commit: () => Promise.reject(new StoreFailure('disk on fire')),
          abort: () => arrival.abort(),
        }
      },
    }),
  })
  const answer = await submit(receiver, { to: ['joe@example.org'] })
  assert.equal((answer as { status: string }).status, '4.3.0')
  assert.equal(failures.length, 1)
})

for (const full of [0, 0.3]) {
  test(`with a store late, out of order and full ${full * 100} % of the time nothing is lost or doubled`, async () => {
    let seed = 1
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
    const { queue, receiver, named, clock, store, failures } = await start({
      memory: { seed: 7, lateTurns: 8, full },
    })
    const done = new Map<string, number>()
    const script: Script = ({ head, stream }) => {
      for (const { recipient, address } of head.recipients) {
        const outcome: Outcome = random() < 0.3 ? busy : STORED
        const key = `${head.queueId} ${address}`
        if (outcome === STORED) done.set(key, (done.get(key) ?? 0) + 1)
        stream.record({ recipient, outcome })
      }
      setImmediate(() => stream.end({}))
    }
    await joinLauncher(queue, script)
    await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
    let accepted = 0
    for (let n = 0; n < 60; n += 1) {
      const to = [`u${n % 7}@example.org`, `a@d${n % 5}.example`, `b@d${n % 5}.example`]
      const answer = (await submit(receiver, { to })) as { kind: string; status?: string }
      if (answer.kind === 'accepted') accepted += 1
      else assert.equal(answer.status, '4.3.1')
    }
    assert.ok(full > 0 || accepted === 60)
    await until(async () => {
      clock.advance(60_000)
      await turns(30)
      return named('ended').length === accepted
    })
    assert.equal(done.size, accepted * 3)
    assert.ok([...done.values()].every((count) => count === 1))
    assert.equal((await store.counts(clock.now())).recipients, 0)
    assert.deepEqual(failures, [])
  })
}

test('at whichever request the store stops, the program is told, and nothing hangs or is thrown', async () => {
  for (let stopAfter = 3; stopAfter < 60; stopAfter += 3) {
    const { queue, receiver, failures } = await start({ memory: { lateTurns: 3, stopAfter } })
    await joinLauncher(queue, ({ answer }) => answer(gone))
    for (let n = 0; n < 12 && failures.length === 0; n += 1) {
      await submit(receiver, { from: 'ann@example.org', to: ['joe@example.org'] })
    }
    await until(() => failures.length > 0)
    assert.ok(failures.every((error) => error instanceof StoreFailure))
  }
})

test('RCPT: accounts are asked of the launcher, mailboxes of their agent; not knowing is unsure', async () => {
  const { queue, receiver, clock } = await start()
  const question = (address: string) => ask(receiver, { type: 'recipient', address })
  const kindOf = async (address: string) => ((await question(address)) as { kind: string }).kind
  assert.equal(await kindOf('joe@example.org'), 'unsure', 'no launcher is there')
  const waiting = kindOf('eve@shop.example')
  await turns(5)
  for (let second = 0; second < 25; second += 1) {
    clock.advance(1_000)
    await turns(2)
  }
  assert.equal(await waiting, 'unsure', 'no agent can be had')
  const launcher = await joinLauncher(queue, storeAll)
  assert.equal(await kindOf('joe@example.org'), 'known')
  assert.equal(await kindOf('nobody@example.org'), 'unknown')
  assert.equal(await kindOf('"a b"@example.org'), 'unknown')
  assert.equal(await kindOf('eve@shop.example'), 'known')
  assert.equal(await kindOf('bob@shop.example'), 'unknown')
  assert.equal(await kindOf('x@elsewhere.example'), 'known')
  launcher.connection.close()
  await turns(10)
  assert.equal(await kindOf('joe@example.org'), 'known', 'remembered for a while')
  clock.advance(61_000)
  assert.equal(await kindOf('joe@example.org'), 'unsure')
})

test('a malformed request ends its own stream only', async () => {
  const { receiver } = await start()
  const answer = await ask(receiver, { type: 'surprise' })
  assert.ok('cancelled' in (answer as object))
  const good = await submit(receiver, { to: ['joe@example.org'] })
  assert.equal((good as { kind: string }).kind, 'accepted')
})

/** Asks as the console does; answers the items and the end. */
async function control(queue: Awaited<ReturnType<typeof start>>['queue'], head: unknown) {
  const console = await joinPartner(queue, 'console')
  const items: { item: string }[] = []
  const end = await new Promise((resolve) => {
    const onRecord = (value: unknown) => items.push(value as { item: string })
    console.open(head, { onRecord, onEnd: resolve, onCancel: resolve })
  })
  return { items, end: end as { end: string; affected?: number } }
}

test('everyone is told counts, operators everything, and only they may act', async () => {
  const { queue, receiver } = await start()
  const { queueId } = (await submit(receiver, { to: ['a@x.example', 'b@x.example'] })) as {
    queueId: string
  }
  const everyone = (request: unknown) => control(queue, { operator: false, request })
  const operator = (request: unknown) => control(queue, { operator: true, request })
  const status = await everyone({ type: 'status' })
  assert.deepEqual(
    status.items.map(({ item }) => item),
    ['counts'],
  )
  for (const request of [
    { type: 'list', selection: {}, limit: 10 },
    { type: 'show', queueId, content: false },
    { type: 'retry', selection: {} },
    { type: 'remove', selection: { queueId } },
  ]) {
    assert.equal((await everyone(request)).end.end, 'refused')
  }
  const listed = await operator({ type: 'list', selection: {}, limit: 10 })
  assert.deepEqual(
    listed.items.map(({ item }) => item),
    ['message'],
  )
  const shown = await operator({ type: 'show', queueId, content: true })
  assert.ok(
    ['message', 'event', 'content'].every((kind) => shown.items.some(({ item }) => item === kind)),
  )
  assert.equal(
    (await operator({ type: 'show', queueId: 'NOSUCH', content: false })).end.end,
    'refused',
  )
  assert.equal((await operator({ type: 'remove', selection: {} })).end.end, 'refused')
  const removed = await operator({ type: 'remove', selection: { queueId } })
  assert.deepEqual(removed.end, { end: 'done', affected: 2 })
})

test('where the last waiting recipient is removed, the failed ones are reported', async () => {
  const { queue, receiver, named } = await start()
  await joinPartner(queue, 'remote', {
    onOpen: deliveryListener('remote', ({ head, stream }) => {
      for (const { recipient, address } of head.recipients) {
        stream.record({ recipient, outcome: address.startsWith('a') ? gone : busy })
      }
      stream.end({})
    }),
  })
  const console = await joinPartner(queue, 'console')
  await submit(receiver, { from: 'ann@example.org', to: ['a@x.example', 'b@x.example'] })
  await until(() => named('deferred').length === 1)
  const request = { type: 'remove', selection: { recipient: 'b@x.example' } }
  await ask(console, { operator: true, request })
  await until(() => named('reported').length === 1)
})

test('outcomes that find the disk full are written later, all of them, once', async () => {
  let isFull = true
  let calls = 0
  const { queue, receiver, named, clock, failures } = await start({
    wrap: (store) => ({
      ...store,
      settle: (settlements, now) => {
        calls += 1
        return isFull ? Promise.reject(new StoreFull('full')) : store.settle(settlements, now)
      },
    }),
  })
  const { script, attempts } = recording(storeAll)
  await joinLauncher(queue, script)
  for (let n = 0; n < 10; n += 1) await submit(receiver, { to: [`u${n}@example.org`] })
  await until(() => attempts.length === 10)
  await turns(20)
  const before = calls
  clock.advance(10_000)
  await turns(20)
  assert.equal(calls, before + 1, 'they are tried again together')
  isFull = false
  clock.advance(10_000)
  await until(() => named('ended').length === 10)
  assert.equal(attempts.length, 10)
  assert.deepEqual(failures, [])
})

test('a queue that cannot be put in order for want of room works all the same', async () => {
  let isFull = true
  const { queue, receiver, named, clock } = await start({
    wrap: (store) => ({
      ...store,
      recover: (limit) => (isFull ? Promise.reject(new StoreFull('full')) : store.recover(limit)),
    }),
  })
  await joinLauncher(queue, storeAll)
  await submit(receiver, { to: ['joe@example.org'] })
  await until(() => named('ended').length === 1)
  assert.equal(named('disk-full').length, 1)
  isFull = false
  clock.advance(10_000)
  await turns(20)
  clock.advance(10_000)
  assert.equal(named('disk-full').length, 1)
})

test('retry makes waiting mail due now', async () => {
  const { queue, receiver, named } = await start()
  let answerWith: Outcome = busy
  await joinPartner(queue, 'remote', {
    onOpen: deliveryListener('remote', ({ answer }) => answer(answerWith)),
  })
  await submit(receiver, { to: ['a@x.example'] })
  await until(() => named('deferred').length === 1)
  answerWith = STORED
  const { end } = await control(queue, {
    operator: true,
    request: { type: 'retry', selection: {} },
  })
  assert.equal(end.affected, 1)
  await until(() => named('ended').length === 1)
})

test('new settings route what waits anew', async () => {
  const { queue, receiver, named, setSettings } = await start()
  await submit(receiver, { to: ['joe@moved.example'] })
  await turns(20)
  setSettings({ domains: { 'moved.example': { kind: 'accounts' } } })
  const { script, attempts } = recording(storeAll)
  await joinLauncher(queue, script)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await until(() => named('ended').length === 1)
  assert.deepEqual(
    attempts.map(({ by }) => by),
    ['joe'],
  )
})

test('finishing takes nothing new, refuses what is arriving, and waits for what runs', async () => {
  const { queue, receiver, named, clock } = await start()
  const open: Attempt[] = []
  await joinPartner(queue, 'remote', {
    onOpen: deliveryListener('remote', (attempt) => open.push(attempt)),
  })
  await submit(receiver, { to: ['a@x.example'] })
  await until(() => open.length === 1)
  const arriving = Promise.withResolvers<unknown>()
  receiver.open({ type: 'submit' }, { onEnd: arriving.resolve })
  await turns(5)
  const finished = queue.finish(30)
  assert.equal(((await arriving.promise) as { status: string }).status, '4.3.2')
  const late = await submit(receiver, { to: ['b@x.example'] })
  assert.equal((late as { status: string }).status, '4.3.2')
  open[0]?.answer(STORED)
  await until(() => named('delivered').length === 1)
  let over = false
  void finished.then(() => (over = true))
  await until(() => {
    clock.advance(100)
    return over
  })
  assert.equal(named('ended').length, 1)
})

test('a message of 20 MB passes in pieces, whole', async () => {
  const { queue, receiver, named } = await start()
  let size = 0
  await joinPartner(queue, 'remote', {
    onOpen: (stream) => ({
      onData: (bytes) => {
        size += bytes.length
        stream.grant(bytes.length)
      },
      onEnd: () => {
        stream.record({ recipient: 0, outcome: STORED })
        stream.end({})
      },
    }),
  })
  const content = Buffer.alloc(20_000_000, 'line of text\n')
  await submit(receiver, { to: ['a@x.example'], content })
  await until(() => named('ended').length === 1)
  assert.equal(size, content.length + 'Received: by test\n'.length)
})

test('an agent that has stalled holds up its own attempt only, and little is read for it', async () => {
  let read = 0
  const { queue, receiver, named, clock } = await start({
    wrap: (store) => ({
      ...store,
      readContent: async function* (queueId) {
        for await (const piece of store.readContent(queueId)) {
          read += piece.length
          yield piece
        }
      },
    }),
  })
  await joinPartner(queue, 'remote', {
    onOpen: (stream, head) => {
      const { recipients } = head as { recipients: { address: string }[] }
      if (recipients[0]?.address === 'stalled@x.example') return {}
      return deliveryListener('remote', storeAll)(stream, head)
    },
  })
  await submit(receiver, { to: ['stalled@x.example'], content: Buffer.alloc(5_000_000, 'text\n') })
  for (let count = 0; count < 20; count += 1) await submit(receiver, { to: ['a@x.example'] })
  await until(() => named('ended').length === 20)
  assert.ok(read < 200_000, `${read} bytes`)
  clock.advance(3_600_000)
  await until(() => named('deferred').length === 1)
  assert.match(String(named('deferred')[0]?.fields?.['text']), /too long/)
})

test('a submitter is granted no more than the store has taken', async () => {
  let taken = 0
  const { receiver } = await start({
    wrap: (store) => ({
      ...store,
      arrive: () => {
        const arrival = store.arrive()
        return {
          queueId: arrival.queueId,
          write: (bytes) => {
            taken += bytes.length
            return new Promise<void>(() => undefined)
          },
          addRecipients: (recipients) => arrival.addRecipients(recipients),
          commit: (request) => arrival.commit(request),
          abort: () => arrival.abort(),
        }
      },
    }),
  })
  const stream = receiver.open({ type: 'submit' }, {})
  let passed = false
  void stream.write(Buffer.alloc(200_000, 10)).then(() => (passed = true))
  await until(() => taken > 0)
  await turns(20)
  assert.equal(passed, false)
  assert.ok(taken <= 65_536)
})

const STOPPED = ['eve', 'mal', 'sly', 'wil']
/** What the agents of stopped users do: nothing. */
const storeForOthers: Script = ({ by, answer }) => {
  if (!STOPPED.includes(by)) answer(STORED)
}

test('one user who stops an agent holds up a quarter of local mail; four hold up all, for seconds', async () => {
  const { queue, receiver, clock, named } = await start()
  const { script, attempts } = recording(storeForOthers)
  const launcher = await joinLauncher(queue, script)
  const flood = async (name: string) => {
    for (let count = 0; count < 8; count += 1)
      await submit(receiver, { to: [`${name}@example.org`] })
    await until(() => attempts.filter(({ by }) => by === name).length === 5)
  }
  await flood('eve')
  await submit(receiver, { to: ['bob@example.org'] })
  await until(() => named('delivered').length === 1)
  for (const name of STOPPED.slice(1)) await flood(name)
  await submit(receiver, { to: ['bob@example.org'] })
  await turns(50)
  assert.equal(named('delivered').length, 1)
  clock.advance(35_000)
  await until(() => named('delivered').length === 2)
  await turns(50)
  assert.equal(named('agent-stalled').length, 4)
  assert.equal(attempts.length, 22, 'who has stalled gets nothing new')
  // After ten minutes it is let go, and the launcher told; the next one is another process.
  clock.advance(600_000)
  await until(() => launcher.dismissed.length >= 4)
  assert.ok(named('deferred').every(({ fields }) => /too long/.test(String(fields?.['text']))))
})

test('an agent that has stalled and goes on again is given the rest', async () => {
  const { queue, receiver, clock, named } = await start()
  const held: Attempt[] = []
  await joinLauncher(queue, (attempt) => held.push(attempt))
  for (let count = 0; count < 7; count += 1) await submit(receiver, { to: ['joe@example.org'] })
  await until(() => held.length === 5)
  clock.advance(35_000)
  await turns(20)
  assert.equal(named('agent-stalled').length, 1)
  for (const { answer } of held) answer(STORED)
  await until(() => held.length === 7)
  for (const { answer } of held.slice(5)) answer(STORED)
  await until(() => named('ended').length === 7)
  assert.equal(named('agent-goes-on').length, 1)
})

test('words an agent has no right to say buy it no time', async () => {
  const { queue, receiver, clock, named } = await start()
  const held: Attempt[] = []
  await joinLauncher(queue, (attempt) => held.push(attempt))
  await submit(receiver, { to: ['eve@example.org'] })
  await until(() => held.length === 1)
  for (let minute = 0; minute < 10; minute += 1) {
    held[0]?.stream.record(minute % 2 === 0 ? 'nonsense' : { recipient: 9, outcome: STORED })
    await turns(5)
    clock.advance(60_000)
  }
  await until(() => named('deferred').length === 1)
  assert.equal(named('agent-stalled').length, 1)
  assert.equal(named('agent-goes-on').length, 0)
})

test('an agent that has stalled leaves for others when no place is left, and its mail is kept', async () => {
  const limits = { ...testSettings().limits, agents: 2 }
  const { queue, receiver, clock, named, store } = await start({ settings: { limits } })
  const launcher = await joinLauncher(queue, storeForOthers)
  for (const name of ['eve', 'mal']) await submit(receiver, { to: [`${name}@example.org`] })
  await until(() => launcher.started.length === 2)
  await turns(20)
  clock.advance(35_000)
  await until(() => named('agent-stalled').length === 2)
  await submit(receiver, { to: ['bob@example.org'] })
  await until(() => launcher.dismissed.length === 2)
  clock.advance(11_000)
  await until(() => named('delivered').length === 1)
  assert.equal((await store.counts(clock.now())).recipients, 2)
})

test('the launcher is told of an agent let go, lost, or come too late', async () => {
  const { queue, receiver, clock, named } = await start()
  const launcher = await joinLauncher(queue, storeAll)
  await submit(receiver, { to: ['joe@example.org', 'ann@example.org'] })
  await until(() => named('ended').length === 1)
  launcher.crash('ann')
  await until(() => launcher.dismissed.length === 1)
  await turns(5)
  clock.advance(130_000)
  await until(() => launcher.dismissed.length === 2)
  assert.deepEqual(
    launcher.dismissed.toSorted((one, other) => one - other),
    [1, 2],
  )
  const [near] = await socketPair()
  queue.agent(near, 99)
  await until(() => launcher.dismissed.includes(99))
})

test('slow hosts hold up no local mail', async () => {
  const limits = { ...testSettings().limits, deliveries: 2 }
  const { queue, receiver, named } = await start({ settings: { limits } })
  const { script, attempts } = recording(() => undefined)
  await joinPartner(queue, 'remote', { onOpen: deliveryListener('remote', script) })
  await joinLauncher(queue, storeAll)
  for (const name of ['a', 'b', 'c']) await submit(receiver, { to: [`x@${name}.example`] })
  await until(() => attempts.length === 2)
  await submit(receiver, { to: ['joe@example.org'] })
  await until(() => named('delivered').length === 1)
  assert.equal(attempts.length, 2)
})
