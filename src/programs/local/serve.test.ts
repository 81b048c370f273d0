import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { LocalRecipient, MailboxAnswer } from '../../contracts/delivery.ts'
import { localRequest, mailboxAnswer } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import { recipientOutcome } from '../../contracts/outcome.ts'
import type { Connection } from '../../io/connection.ts'
import type { Disk } from '../../io/disk.ts'
import { DISK } from '../../io/disk.ts'
import type { Agent } from './agent.ts'
import { makeAgent } from './agent.ts'
import { Serving } from './serve.ts'

interface World {
  readonly home: string
  readonly queue: Connection
  readonly agent: Agent
}

async function world(
  t: TestContext,
  parts: Partial<Agent> & { readonly home?: string; readonly spool?: boolean } = {},
): Promise<World> {
  const home = parts.home ?? mkdtempSync(join(tmpdir(), 'postern-home-'))
  if (parts.home === undefined) t.after(() => rmSync(home, { recursive: true }))
  const settings = { release: 'test', home, hostname: 'mx.test' }
  const agent = makeAgent(parts.spool === true ? { ...settings, spool: home } : settings, parts)
  const serving = new Serving(agent)
  const [queue, other] = await connectionPair(
    {},
    { onOpen: (stream, head) => serving.open(stream, head) },
  )
  t.after(async () => {
    queue.close()
    other.close()
    await serving.settled()
  })
  return { home, queue, agent }
}

interface Given {
  readonly content: string | Buffer
  readonly reversePath?: string
  readonly recipients?: readonly Partial<LocalRecipient>[]
  readonly size?: number
}

/** Does what the queue does; answers the outcomes in the order of the recipients. */
async function deliver({ queue }: World, given: Given): Promise<readonly Outcome[]> {
  const content = Buffer.from(given.content)
  const recipients = (given.recipients ?? [{}]).map((one, recipient) => ({
    recipient,
    address: 'joe@example.org',
    mailbox: 'Maildir/',
    create: true,
    ...one,
  }))
  const head = {
    type: 'deliver',
    queueId: 'Q1',
    reversePath: given.reversePath ?? 'sender@example.net',
    size: given.size ?? content.length,
    recipients,
  }
  assert.equal(localRequest(head).ok, true)
  const outcomes: Outcome[] = []
  const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>()
  const stream = queue.open(head, {
    onRecord: (value) => {
      const decoded = recipientOutcome(value)
      if (decoded.ok) outcomes[decoded.value.recipient] = decoded.value.outcome
      else reject(new Error(decoded.problem))
    },
    onEnd: () => {
      stream.end({})
      resolve(outcomes)
    },
    onCancel: (why) => reject(new Error(why)),
  })
  for (let at = 0; at < content.length; at += 20_000) {
    if (!(await stream.write(content.subarray(at, at + 20_000)))) break
  }
  stream.end({})
  return promise
}

async function one(around: World, given: Given): Promise<Outcome> {
  const [outcome] = await deliver(around, given)
  assert.ok(outcome !== undefined)
  return outcome
}

const wordsOf = (outcome: Outcome) => `${outcome.kind} ${outcome.status}`
const filesIn = (path: string) => readdirSync(path).map((name) => join(path, name))
const storedIn = (path: string) => filesIn(path).map((file) => readFileSync(file, 'utf8'))
const FIELDS = 'Return-Path: <sender@example.net>\nDelivered-To: joe@example.org\n'

test('MD-1: a message without a final line end is stored as it is, under its two fields', async (t) => {
  const around = await world(t)
  const outcome = await one(around, { content: 'Subject: x\n\nlast' })
  assert.deepEqual(outcome, { kind: 'delivered', status: '2.0.0', text: 'stored in Maildir/' })
  const maildir = join(around.home, 'Maildir')
  assert.deepEqual(storedIn(join(maildir, 'new')), [`${FIELDS}Subject: x\n\nlast`])
  assert.deepEqual(readdirSync(join(maildir, 'tmp')), [])
  const [file] = filesIn(join(maildir, 'new'))
  assert.equal(statSync(file ?? '').mode & 0o7777, 0o600)
  assert.equal(statSync(maildir).mode & 0o7777, 0o700)
  const { dev, ino, size } = statSync(file ?? '')
  assert.match(
    file ?? '',
    new RegExp(`V${dev.toString(16)}I${ino.toString(16)}Q.*\\.mx\\.test,S=${size}$`),
  )
})

test('an empty message is delivered', async (t) => {
  const around = await world(t)
  assert.equal(wordsOf(await one(around, { content: '' })), 'delivered 2.0.0')
  assert.deepEqual(storedIn(join(around.home, 'Maildir/new')), [FIELDS])
})

test('MD-2: a missing Maildir that may not be created defers, and nothing is made', async (t) => {
  const around = await world(t)
  const outcome = await one(around, { content: 'x\n', recipients: [{ create: false }] })
  assert.equal(wordsOf(outcome), 'deferred 4.2.1')
  assert.deepEqual(readdirSync(around.home), [])
})

test('a Maildir that lacks its directories gets them; parents are made below the home', async (t) => {
  const around = await world(t)
  mkdirSync(join(around.home, 'bare'))
  const outcomes = await deliver(around, {
    content: 'x\n',
    recipients: [{ mailbox: 'bare/', create: false }, { mailbox: 'a/b/c/' }],
  })
  assert.deepEqual(outcomes.map(wordsOf), ['delivered 2.0.0', 'delivered 2.0.0'])
  assert.deepEqual(readdirSync(join(around.home, 'a/b/c')).sort(), ['cur', 'new', 'tmp'])
})

test('fifty mailboxes get one message each with its own Delivered-To', async (t) => {
  const around = await world(t)
  const recipients = Array.from({ length: 50 }, (_, n) => ({
    address: `u${n}@x`,
    mailbox: join(around.home, `u${n}/`),
  }))
  const outcomes = await deliver(around, { content: 'x\n', recipients })
  assert.equal(outcomes.filter((outcome) => outcome.kind === 'delivered').length, 50)
  for (const { address, mailbox } of recipients) {
    const [text] = storedIn(join(mailbox, 'new'))
    assert.equal(text, `Return-Path: <sender@example.net>\nDelivered-To: ${address}\nx\n`)
  }
})

test('MD-4: deliveries at the same time have names of their own', async (t) => {
  const around = await world(t)
  await Promise.all(Array.from({ length: 300 }, (_, n) => one(around, { content: `${n}\n` })))
  const stored = storedIn(join(around.home, 'Maildir/new'))
  assert.equal(new Set(stored).size, 300)
})

test('a message of 20 MB arrives whole in a Maildir and an mbox, in pieces', async (t) => {
  let largest = 0
  const disk: Disk = {
    ...DISK,
    write: (descriptor, bytes) => {
      largest = Math.max(largest, bytes.length)
      return DISK.write(descriptor, bytes)
    },
  }
  const around = await world(t, { disk })
  const content = Buffer.alloc(20_000_000, 'From me\n')
  const outcomes = await deliver(around, {
    content,
    recipients: [{}, { mailbox: 'Mailbox', address: 'jane@x' }],
  })
  assert.deepEqual(outcomes.map(wordsOf), ['delivered 2.0.0', 'delivered 2.0.0'])
  assert.equal(storedIn(join(around.home, 'Maildir/new'))[0], FIELDS + content.toString())
  const mbox = readFileSync(join(around.home, 'Mailbox'), 'utf8')
  assert.equal(mbox.split('\n>From me').length - 1, 2_500_000)
  assert.ok(mbox.endsWith('\n\n'))
  assert.ok(largest < 100_000, `a piece of ${largest} bytes`)
  assert.deepEqual(readdirSync(around.home).sort(), ['Mailbox', 'Maildir'])
})

test('the announced size is no promise: more and less than announced is delivered', async (t) => {
  const around = await world(t)
  const content = `x\n\n${'y'.repeat(300_000)}\n`
  assert.equal((await one(around, { content, size: 10 })).kind, 'delivered')
  assert.equal((await one(around, { content: 'z\n', size: 10_000_000 })).kind, 'delivered')
  assert.equal(readdirSync(join(around.home, 'Maildir/new')).length, 2)
})

test('LP-1: a message that was here before fails, and only for the mailbox it was in', async (t) => {
  const around = await world(t)
  const outcomes = await deliver(around, {
    content: 'Subject: x\nDelivered-To: joe@EXAMPLE.org\n\nbody\n',
    recipients: [{}, { address: 'Joe@example.org', mailbox: 'other/' }],
  })
  assert.deepEqual(outcomes.map(wordsOf), ['failed 5.4.6', 'delivered 2.0.0'])
  assert.equal(existsSync(join(around.home, 'Maildir')), false)
})

test('LP-4: Delivered-To in the body is no loop', async (t) => {
  const around = await world(t)
  const outcome = await one(around, { content: 'S: x\n\nDelivered-To: joe@example.org\n' })
  assert.equal(outcome.kind, 'delivered')
})

test('a loop in a long header is found, and its copy removed', async (t) => {
  const around = await world(t)
  const filler = `X-Filler: ${'x'.repeat(70)}\n`.repeat(3_000)
  const content = `${filler}Delivered-To: joe@example.org\n\n${'body\n'.repeat(100_000)}`
  assert.equal(wordsOf(await one(around, { content })), 'failed 5.4.6')
  assert.deepEqual(readdirSync(join(around.home, 'Maildir/tmp')), [])
  assert.deepEqual(readdirSync(join(around.home, 'Maildir/new')), [])
})

test('a message the queue gives up half way leaves nothing', async (t) => {
  const around = await world(t)
  const recipient = { recipient: 0, address: 'joe@x', mailbox: 'Maildir/', create: true }
  const stream = around.queue.open(
    { type: 'deliver', queueId: 'Q', reversePath: '', size: 200_000, recipients: [recipient] },
    {},
  )
  await stream.write(Buffer.alloc(100_000, 'x\n'))
  stream.cancel()
  // The agent answers in order of arrival: the next delivery finds the first one over.
  await one(around, { content: 'x\n', recipients: [{ mailbox: 'other/' }] })
  await until(() => readdirSync(join(around.home, 'Maildir/tmp')).length === 0)
  assert.deepEqual(readdirSync(join(around.home, 'Maildir/new')), [])
})

test('LOC-15: a home others can write, or a sticky one, or none, defers', async (t) => {
  const around = await world(t)
  chmodSync(around.home, 0o757)
  assert.equal(wordsOf(await one(around, { content: 'x\n' })), 'deferred 4.7.0')
  chmodSync(around.home, 0o1755)
  assert.equal(wordsOf(await one(around, { content: 'x\n' })), 'deferred 4.2.1')
  chmodSync(around.home, 0o755)
  assert.equal(wordsOf(await one(around, { content: 'x\n' })), 'delivered 2.0.0')
  const nowhere = await world(t, { home: '/nonexistent/home' })
  assert.equal(wordsOf(await one(nowhere, { content: 'x\n' })), 'deferred 4.2.1')
})

test('a mailbox outside the home is refused, for now and not for ever', async (t) => {
  const around = await world(t)
  const recipients = [{ mailbox: '../x/' }, { mailbox: '/etc/passwd' }]
  const outcomes = await deliver(around, { content: 'x\n', recipients })
  assert.deepEqual(outcomes.map(wordsOf), ['deferred 4.3.5', 'deferred 4.3.5'])
})

test('LOC-1, MB-1: an mbox is made 0600, with From_ line, fields, quoting and an empty line', async (t) => {
  const around = await world(t, { now: () => Date.UTC(2026, 10, 5, 8, 5, 9) })
  const content = 'S: x\n\nFrom here\n>From there\nlast'
  const outcome = await one(around, { content, recipients: [{ mailbox: 'Mailbox' }] })
  assert.deepEqual(outcome, { kind: 'delivered', status: '2.0.0', text: 'stored in Mailbox' })
  const path = join(around.home, 'Mailbox')
  assert.equal(
    readFileSync(path, 'utf8'),
    `From sender@example.net Thu Nov 05 08:05:09 2026\n${FIELDS}S: x\n\n>From here\n>>From there\nlast\n\n`,
  )
  assert.equal(statSync(path).mode & 0o7777, 0o600)
  assert.deepEqual(readdirSync(around.home), ['Mailbox'])
})

test('MB-2: a mailbox another program has locked defers and is left untouched', async (t) => {
  const around = await world(t, { lockWaitMilliseconds: 50 })
  writeFileSync(join(around.home, 'Mailbox'), '')
  writeFileSync(join(around.home, 'Mailbox.lock'), '1\n')
  const recipients = [{ mailbox: 'Mailbox' }]
  assert.equal(wordsOf(await one(around, { content: 'x\n', recipients })), 'deferred 4.2.0')
  assert.equal(statSync(join(around.home, 'Mailbox')).size, 0)
})

test('MB-5: many deliveries into one mbox at once are all whole', async (t) => {
  const around = await world(t)
  const recipients = [{ mailbox: 'Mailbox' }]
  await Promise.all(
    Array.from({ length: 40 }, (_, n) => one(around, { content: `S: ${n}\n\nbody\n`, recipients })),
  )
  const messages = readFileSync(join(around.home, 'Mailbox'), 'utf8')
    .split(/^From .*\n/m)
    .slice(1)
  assert.equal(new Set(messages).size, 40)
  for (const message of messages)
    assert.match(message, /^Return-Path.*\nDeli.*\nS: \d+\n\nbody\n\n$/)
})

test('what a crash has left unfinished at the end of an mbox is closed off', async (t) => {
  const around = await world(t)
  const path = join(around.home, 'Mailbox')
  writeFileSync(path, 'From a Thu Nov 05 08:05:09 2026\nhalf a li')
  await one(around, { content: 'x\n', recipients: [{ mailbox: 'Mailbox' }] })
  assert.match(readFileSync(path, 'utf8'), /half a li\n\nFrom sender@example\.net /)
})

const failing = (step: keyof Disk, code: string, after = 0): Disk => {
  let calls = 0
  const fail = () => {
    calls += 1
    if (calls > after) throw Object.assign(new Error(code), { code })
  }
  const real = DISK[step] as (...given: readonly unknown[]) => unknown
  return {
    ...DISK,
    [step]: (...given: readonly unknown[]) => {
      fail()
      return real(...given)
    },
  }
}

const troubles: readonly (readonly [keyof Disk, string, string])[] = [
  ['open', 'EMFILE', '4.3.0'],
  ['write', 'ENOSPC', '4.3.1'],
  ['write', 'EDQUOT', '4.2.2'],
  ['sync', 'EIO', '4.3.0'],
  ['rename', 'EACCES', '4.2.1'],
  ['sync', 'ESOMETHING', '4.3.0'],
]
for (const [step, code, status] of troubles) {
  test(`MD-7: ${code} at ${step} defers ${status} and leaves nothing in the Maildir`, async (t) => {
    const around = await world(t)
    for (const part of ['tmp', 'new', 'cur']) {
      mkdirSync(join(around.home, 'Maildir', part), { recursive: true })
    }
    const troubled = await world(t, { home: around.home, disk: failing(step, code) })
    assert.equal(wordsOf(await one(troubled, { content: 'x\n' })), `deferred ${status}`)
    assert.deepEqual(readdirSync(join(around.home, 'Maildir/tmp')), [])
    assert.deepEqual(readdirSync(join(around.home, 'Maildir/new')), [])
  })
}

test('a directory that cannot be synced takes its message back', async (t) => {
  const around = await world(t)
  await one(around, { content: 'first\n' })
  const troubled = await world(t, { home: around.home, disk: failing('sync', 'EIO', 1) })
  assert.equal(wordsOf(await one(troubled, { content: 'second\n' })), 'deferred 4.3.0')
  assert.equal(readdirSync(join(around.home, 'Maildir/new')).length, 1)
})

test('MB-3: an error half way truncates the mbox to where it was', async (t) => {
  const around = await world(t)
  const recipients = [{ mailbox: 'Mailbox' }]
  await one(around, { content: 'first\n', recipients })
  const path = join(around.home, 'Mailbox')
  const before = readFileSync(path, 'utf8')
  // The dot-lock is written first, then the message.
  for (const [step, after] of [
    ['write', 1],
    ['sync', 0],
  ] as const) {
    const disk = failing(step, 'ENOSPC', after)
    const troubled = await world(t, { home: around.home, disk })
    assert.equal(wordsOf(await one(troubled, { content: 'x\n', recipients })), 'deferred 4.3.1')
    assert.equal(readFileSync(path, 'utf8'), before)
    assert.deepEqual(readdirSync(around.home), ['Mailbox'])
  }
})

test('MD-7, MB-3: a disk that is really full', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'postern-full-'))
  t.after(() => {
    spawnSync('umount', ['-l', home])
    rmSync(home, { recursive: true })
  })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=755', 'tmpfs', home])
  if (mounted.status !== 0) return t.skip('mounting a small disk needs root')
  const around = await world(t, { home })
  assert.equal((await one(around, { content: 'small\n' })).kind, 'delivered')
  assert.equal(
    (await one(around, { content: 'small\n', recipients: [{ mailbox: 'Mailbox' }] })).kind,
    'delivered',
  )
  const before = readFileSync(join(home, 'Mailbox'), 'utf8')
  const content = Buffer.alloc(2_000_000, 'too large\n')
  const outcomes = await deliver(around, { content, recipients: [{}, { mailbox: 'Mailbox' }] })
  assert.deepEqual(outcomes.map(wordsOf), ['deferred 4.3.1', 'deferred 4.3.1'])
  assert.equal(readdirSync(join(home, 'Maildir/new')).length, 1)
  assert.deepEqual(readdirSync(join(home, 'Maildir/tmp')), [])
  assert.equal(readFileSync(join(home, 'Mailbox'), 'utf8'), before)
})

test('in the mail spool an mbox is made 0660; links and other files are refused', async (t) => {
  const around = await world(t, { spool: true })
  const before = process.umask(0o007)
  t.after(() => process.umask(before))
  const to = (mailbox: string) => one(around, { content: 'x\n', recipients: [{ mailbox }] })
  assert.equal(wordsOf(await to(join(around.home, 'joe'))), 'delivered 2.0.0')
  assert.equal(statSync(join(around.home, 'joe')).mode & 0o7777, 0o660)
  symlinkSync(join(around.home, 'joe'), join(around.home, 'link'))
  assert.equal(wordsOf(await to('link')), 'deferred 4.7.0')
  spawnSync('mkfifo', [join(around.home, 'fifo')])
  assert.equal(wordsOf(await to('fifo')), 'deferred 4.7.0')
  spawnSync('ln', [join(around.home, 'joe'), join(around.home, 'second')])
  assert.equal(wordsOf(await to('second')), 'deferred 4.7.0')
})

test('files of dead deliveries go after 36 hours, those of others stay', async (t) => {
  const around = await world(t)
  const tmp = join(around.home, 'Maildir/tmp')
  mkdirSync(tmp, { recursive: true })
  for (const part of ['new', 'cur']) mkdirSync(join(around.home, 'Maildir', part))
  const [dead, fresh, foreign] = [
    '1.M1P1Q1R00000000.mx.test',
    '2.M1P1Q1R00000000.mx.test',
    '1.M1P1.other.host',
  ]
  for (const name of [dead, fresh, foreign]) writeFileSync(join(tmp, name), 'x')
  const old = Date.now() / 1_000 - 37 * 3_600
  utimesSync(join(tmp, dead), old, old)
  utimesSync(join(tmp, foreign), old, old)
  await one(around, { content: 'x\n' })
  await until(() => !existsSync(join(tmp, dead)))
  assert.deepEqual(readdirSync(tmp).sort(), [foreign, fresh].sort())
})

test('a mailbox exists if its directory does; what cannot be known is unsure', async (t) => {
  const around = await world(t)
  mkdirSync(join(around.home, 'joe'))
  writeFileSync(join(around.home, 'file'), '')
  assert.equal((await ask(around, join(around.home, 'joe/'))).kind, 'exists')
  assert.equal((await ask(around, join(around.home, 'jane/'))).kind, 'missing')
  assert.equal((await ask(around, join(around.home, 'file'))).kind, 'unsure')
  assert.equal((await ask(around, join(around.home, 'file/x/'))).kind, 'unsure')
  assert.equal((await ask(around, '/etc/')).kind, 'unsure')
  const unmounted = await world(t, { home: '/nonexistent/mail' })
  assert.equal((await ask(unmounted, '/nonexistent/mail/joe/')).kind, 'unsure')
})

test('a request that makes no sense is cancelled, and the agent goes on', async (t) => {
  const around = await world(t)
  const why = await new Promise((resolve) => {
    around.queue.open({ type: 'nonsense' }, { onCancel: resolve })
  })
  assert.equal(why, 'the other side has cancelled')
  assert.equal((await one(around, { content: 'x\n' })).kind, 'delivered')
})

function ask({ queue }: World, mailbox: string): Promise<MailboxAnswer> {
  return new Promise((resolve, reject) => {
    const stream = queue.open(
      { type: 'mailbox', mailbox },
      {
        onEnd: (value) => {
          const answer = mailboxAnswer(value)
          if (answer.ok) resolve(answer.value)
          else reject(new Error(answer.problem))
        },
      },
    )
    stream.end({})
  })
}

/** Waits for what happens by itself, soon. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 2_000 && !holds(); turns += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(holds())
}
