import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { FakeQueue, receiverSettings } from '../../../test/support/receiver-session.ts'
import { SmtpClient, withSession } from '../../../test/support/smtp-client.ts'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { Limits } from '../../contracts/settings.ts'
import type { LogEvent } from '../../io/log.ts'
import type { QueueDoor } from './enqueue.ts'
import { askRecipient, QueueSubmission } from './enqueue.ts'
import { Receiver } from './serve.ts'

async function serve(
  t: TestContext,
  limits: Partial<Limits> = {},
  queue: QueueDoor = new FakeQueue(),
) {
  const log: LogEvent[] = []
  const receiver = new Receiver({
    settings: receiverSettings(limits),
    queue,
    log: { write: (event) => log.push(event) },
  })
  const server = await receiver.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => receiver.finish(0))
  return { receiver, log, port: (server.address() as AddressInfo).port }
}

const message = { from: 'a@c.test', to: ['joe@postern.test'], content: 'Subject: x\n\n.hello\n' }

test('several sessions at once, over a real connection to a queue, get every message through', async (t) => {
  const accepted: string[] = []
  const greeted = Promise.withResolvers<void>()
  const [queue, connection] = await connectionPair(
    {
      onOpen: (stream, head) => {
        if ((head as { type: string }).type === 'recipient') {
          stream.end({ kind: 'known', because: 'a test' })
          return {}
        }
        const pieces: Buffer[] = []
        stream.record({ queueId: `Q${stream.number}` })
        return {
          onData: (bytes) => {
            pieces.push(bytes)
            stream.grant(bytes.length)
          },
          onEnd: () => {
            accepted.push(Buffer.concat(pieces).toString('latin1'))
            stream.end({ kind: 'accepted', queueId: `Q${stream.number}` })
          },
        }
      },
    },
    { onHello: () => greeted.resolve() },
  )
  await greeted.promise
  const { receiver, port } = await serve(
    t,
    { messageSize: 10_000_000 },
    {
      recipient: (address) => askRecipient(connection, address),
      submit: (head) => new QueueSubmission(connection, head),
    },
  )
  const large = `\n${'y'.repeat(70)}\n`.repeat(30_000)
  await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      withSession(port, async (client) => {
        for (let turn = 0; turn < 10; turn += 1) {
          const content = index === 0 && turn === 5 ? large : `${index}.${turn}\n`
          assert.equal((await client.send({ ...message, content })).code, 250)
        }
      }),
    ),
  )
  assert.equal(accepted.length, 50)
  assert.equal(new Set(accepted).size, 50)
  assert.ok(accepted.includes(large))
  assert.equal(connection.streamCount, 0)
  await receiver.finish(5)
  queue.close()
  connection.close()
})

test('sessions are limited, in all and for one client', async (t) => {
  const cases = [
    [{ sessions: 1 }, '421 4.3.2 too many sessions, try later', 'limits.sessions'],
    [
      { sessionsPerClient: 1 },
      '421 4.7.0 too many sessions from your address',
      'limits.sessionsPerClient',
    ],
  ] as const
  for (const [limits, words, because] of cases) {
    const { receiver, log, port } = await serve(t, limits)
    const first = new SmtpClient(port)
    assert.equal((await first.reply()).code, 220)
    const second = new SmtpClient(port)
    assert.deepEqual((await second.reply()).lines, [words])
    assert.deepEqual(log[0]?.fields, { client: '127.0.0.1', because })
    await first.command('QUIT')
    await receiver.finish(5)
  }
})

test('a session that has ended makes room for another', async (t) => {
  const { receiver, port } = await serve(t, { sessionsPerClient: 1 })
  for (let turn = 0; turn < 3; turn += 1) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'data')
    socket.write('QUIT\r\n')
    socket.on('data', () => undefined)
    await once(socket, 'end')
    socket.end()
    await once(socket, 'close')
  }
  await receiver.finish(5)
})

test('a client that speaks before its greeting is refused', async (t) => {
  const { receiver, log, port } = await serve(t)
  const client = new SmtpClient(port)
  client.write('EHLO eager.test\r\n')
  const { code } = await client.reply()
  // Whether the bytes are there before the greeting is a race that the client may win honestly.
  assert.equal(code, log.length > 0 ? 554 : 220)
  client.close()
  await receiver.finish(5)
})

test('a client that says nothing is shown out', async (t) => {
  const { receiver, port } = await serve(t, { sessionIdle: 0.05 })
  const client = new SmtpClient(port)
  assert.equal((await client.reply()).code, 220)
  assert.equal((await client.reply()).code, 421)
  await receiver.finish(5)
})

test('finishing lets a running transaction end, and nobody new in', async (t) => {
  const queue = new FakeQueue()
  const { receiver, port } = await serve(t, {}, queue)
  const client = new SmtpClient(port)
  await client.hello()
  await client.expect('MAIL FROM:<a@c.test>', 250)
  const finished = receiver.finish(30)
  await client.expect('RCPT TO:<joe@postern.test>', 250)
  await client.expect('DATA', 354)
  await client.expect('x\r\n.', 250)
  assert.equal((await client.reply()).code, 421)
  client.close()
  await finished
  assert.equal(queue.queued.length, 1)
  await assert.rejects(new SmtpClient(port).reply())
})

test('finishing does not wait beyond its limit', async (t) => {
  const { receiver, port } = await serve(t)
  const client = new SmtpClient(port)
  await client.hello()
  await client.expect('MAIL FROM:<a@c.test>', 250)
  const finished = receiver.finish(0.05)
  assert.equal((await client.reply()).code, 421)
  client.close()
  await finished
})

test('when the queue is lost, a message on its way hears 451 and every session 421', async (t) => {
  const greeted = Promise.withResolvers<void>()
  const [queue, connection] = await connectionPair(
    { onOpen: (stream) => (stream.record({ queueId: 'Q1' }), {}) },
    { onHello: () => greeted.resolve(), onLost: () => void abandoned() },
  )
  await greeted.promise
  const { receiver, port } = await serve(
    t,
    {},
    {
      recipient: () => ({ kind: 'known', because: 'a test' }),
      submit: (head) => new QueueSubmission(connection, head),
    },
  )
  const gone = Promise.withResolvers<void>()
  const abandoned = () => receiver.abandon().then(gone.resolve)
  const idle = new SmtpClient(port)
  await idle.hello()
  const waiting = new SmtpClient(port)
  await waiting.hello()
  const answer = waiting.send(message)
  const half = new SmtpClient(port)
  await half.hello()
  half.write('MAIL FROM:<a@c.test>\r\nRCPT TO:<joe@postern.test>\r\nDATA\r\nhalf')
  for (const code of [250, 250, 354]) assert.equal((await half.reply()).code, code)
  // The 354 of `waiting` came before that of `half`, and its content follows in the same moment.
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  queue.close()
  assert.equal((await answer).code, 451)
  assert.equal((await half.reply()).code, 451)
  for (const client of [idle, waiting, half]) {
    assert.equal((await client.reply()).code, 421)
    client.close()
  }
  await gone.promise
})
