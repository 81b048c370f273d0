import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MemoryOptions } from '../../../test/support/receiver-session.ts'
import { MemorySession } from '../../../test/support/receiver-session.ts'

const ENVELOPE = 'HELO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<joe@postern.test>\r\n'

function begin(options: MemoryOptions = {}): MemorySession {
  const session = new MemorySession(options)
  session.conversation.greet()
  return session
}

/** Replies until one begins so. */
async function until(session: MemorySession, start: string): Promise<void> {
  for (let reply = await session.reply(); !reply.startsWith(start); reply = await session.reply()) {
    assert.notEqual(reply, '(closed)')
  }
}

test('who speaks before the greeting is not talked to', async () => {
  const session = new MemorySession()
  session.send('EHLO eager.test\r\n')
  await new Promise((resolve) => setImmediate(resolve))
  session.conversation.greet()
  assert.deepEqual(await session.rest(), ['554 5.5.1 you spoke before the greeting'])
  assert.equal(session.log[0]?.fields?.['because'], 'early talker')
})

test('any cutting of a session gives the same replies and the same message', async () => {
  const text = `${ENVELOPE}DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@postern.test>\r\nRCPT TO:<m@postern.test>\r\nBDAT 3\r\na\r\nBDAT 2 LAST\r\nbcNOOP\r\nQUIT\r\n`
  const run = async (cuts: readonly number[]) => {
    const session = begin()
    let from = 0
    for (const cut of [...cuts, text.length]) {
      session.send(text.slice(from, cut))
      from = Math.max(from, cut)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const replies = await session.rest()
    return {
      replies,
      queued: session.queue.queued.map(({ from, to, content }) => [from, to, content]),
    }
  }
  const whole = await run([])
  assert.equal(whole.queued.length, 2)
  assert.equal(whole.replies.at(-1), '221 2.0.0 goodbye')
  const cuts = fc.array(fc.nat(text.length), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(cuts, async (places) => {
      assert.deepEqual(await run(places.sort((a, b) => a - b)), whole)
    }),
    { numRuns: 60 },
  )
})

test('a connection that breaks at any byte leaves nothing open and queues nothing unfinished', async () => {
  const text = `${ENVELOPE}DATA\r\nX: y\r\n\r\nbody\r\n.\r\n`
  for (let cut = 0; cut < text.length; cut += 1) {
    const session = begin()
    session.send(text.slice(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    session.break()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(session.queue.queued.length, 0, `cut at ${cut}`)
    assert.equal(session.queue.opened, session.queue.cancelled, `cut at ${cut}`)
  }
})

test('SMS-14: a silent client is shown out, and its unfinished message is dropped', async () => {
  const session = begin()
  session.send(`${ENVELOPE}DATA\r\nhalf`)
  await until(session, '354')
  session.conversation.idle()
  assert.deepEqual(await session.rest(), ['421 4.4.2 nothing heard for too long, goodbye'])
  assert.equal(session.queue.cancelled, 1)
})

test('waiting for the queue is no silence of the client', async () => {
  const session = begin()
  session.send(ENVELOPE)
  await until(session, '250 2.1.0')
  session.conversation.idle()
  assert.equal(await session.reply(), '250 2.1.5 recipient ok')
})

test('asked to finish, a session ends after its transaction', async () => {
  const idle = begin()
  await until(idle, '220')
  idle.conversation.finish()
  assert.deepEqual(await idle.rest(), ['421 4.3.0 closing for now, try again in a moment'])

  const busy = begin()
  busy.send(`${ENVELOPE}DATA\r\n`)
  await until(busy, '354')
  busy.conversation.finish()
  busy.send('x\r\n.\r\nMAIL FROM:<next@c.test>\r\n')
  assert.deepEqual(await busy.rest(), [
    '250 2.0.0 queued as ID1',
    '421 4.3.0 closing for now, try again in a moment',
  ])
})

test('abandoned in the middle of a message, it hears 451 and 421', async () => {
  const session = begin()
  session.send(`${ENVELOPE}DATA\r\nhalf`)
  await until(session, '354')
  session.conversation.abandon()
  assert.deepEqual(await session.rest(), [
    '451 4.3.0 cannot take mail now, try later',
    '421 4.3.0 closing for now, try again in a moment',
  ])
  assert.deepEqual([session.queue.queued.length, session.queue.cancelled], [0, 1])
})

test('abandoned while the queue decides, it hears the decision first', async () => {
  const session = begin()
  session.send(`${ENVELOPE}DATA\r\n`)
  await until(session, '354')
  session.send('X-Queue: deferred\r\n.\r\n')
  await new Promise((resolve) => process.nextTick(resolve))
  session.conversation.abandon()
  const replies = await session.rest()
  assert.equal(replies.at(-1), '421 4.3.0 closing for now, try again in a moment')
  assert.match(replies[0] ?? '', /^45[12] 4\.3\.[01] /)
})

test('a command line has a limit, also without an end', async () => {
  const session = begin()
  session.send(`NOOP ${'x'.repeat(4_089)}\r\n`)
  session.send('x'.repeat(4_097))
  assert.deepEqual((await session.rest()).slice(1), [
    '250 2.0.0 ok',
    '500 5.5.2 command line too long',
  ])
})

test('a refusal is logged with client, sender, recipient and reason; a syntax error is not', async () => {
  const session = begin()
  session.send('HELO c.test\r\nWHAT\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<x@else.test>\r\nQUIT\r\n')
  await session.rest()
  assert.deepEqual(session.log, [
    {
      event: 'refused',
      fields: {
        client: '192.0.2.1',
        from: '<a@c.test>',
        to: '<x@else.test>',
        because: 'not a domain of ours, and the client is in no block of relay.from',
      },
    },
  ])
})

test('the Received field names protocol, client and the only recipient', async () => {
  const session = begin()
  session.send(`E${ENVELOPE.replace('HELO', 'HLO')}DATA\r\n`)
  await until(session, '354')
  session.send('x\r\n.\r\n')
  await until(session, '250 2.0.0 queued')
  const { prepend, origin } = session.queue.queued[0]?.commit ?? {}
  assert.match(
    prepend ?? '',
    /^Received: from c\.test \(\[192\.0\.2\.1\]\)\n\tby mail\.postern\.test with ESMTP id ID1\n\tfor <joe@postern\.test>; Sun, 22 Nov 2026 .*\n$/,
  )
  assert.deepEqual(origin, { via: 'smtp', client: '192.0.2.1', helo: 'c.test' })
})

test('a client that asks and never listens is not read from any more', async () => {
  const session = begin({ deaf: true })
  // These would make 40 MB of replies.
  for (let piece = 0; piece < 100; piece += 1) session.send('HELP\r\n'.repeat(3_000))
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(session.unread > 1_000 && session.unread < 200_000, `${session.unread} bytes`)
  session.break()
})

test('while the queue takes no more, no more is taken from the client', async () => {
  const session = begin()
  session.queue.stalled = true
  session.send(`${ENVELOPE}DATA\r\n`)
  await until(session, '354')
  const piece = 'x'.repeat(1_022)
  const sent = 100 * 32 * 1_024
  for (let index = 0; index < 100; index += 1) session.send(`${piece}\r\n`.repeat(32))
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(sent - session.untaken < 200_000, `${sent - session.untaken} bytes taken`)
  session.break()
  assert.equal(session.queue.queued.length, 0)
})
