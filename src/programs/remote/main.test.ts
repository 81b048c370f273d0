import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { startRemoteAgent } from '../../../test/support/remote-agent.ts'
import { HELLO, scriptedPeer, TAKEN } from '../../../test/support/scripted-peer.ts'
import type { RemoteDelivery } from '../../contracts/delivery.ts'

function delivery(port: number, size: number): RemoteDelivery {
  return {
    type: 'deliver',
    queueId: 'Q1',
    nextHop: { kind: 'host', host: '127.0.0.1', port },
    reversePath: 'a@b.test',
    size,
    recipients: [{ recipient: 7, address: 'joe@x.test' }],
    body: '7bit',
    smtputf8: false,
  }
}

async function agentFor(t: TestContext) {
  const agent = await startRemoteAgent({ hostname: 'us.test', dnsPort: 1 })
  t.after(() => agent.kill())
  return agent
}

test('as a process with its own permissions it delivers, and leaves when the queue does', async (t) => {
  const peer = await scriptedPeer([...HELLO, ...TAKEN])
  t.after(() => peer.close())
  const agent = await agentFor(t)
  const outcomes = await agent.deliver(delivery(peer.port, 6), [Buffer.from('hello\n')])
  assert.deepEqual([...outcomes.keys()], [7])
  assert.equal(outcomes.get(7)?.kind, 'delivered')
  assert.deepEqual(peer.contents, ['hello\r\n.\r\n'])
  agent.leave()
  assert.equal(await agent.exit, 0)
})

test('told to finish, it ends what it has begun and then leaves', async (t) => {
  const peer = await scriptedPeer(['S: 220 hi', 'C: EHLO', 'S: 250 hi', ...TAKEN])
  t.after(() => peer.close())
  const agent = await agentFor(t)
  const running = agent.deliver(delivery(peer.port, 6), [Buffer.from('hello\n')])
  agent.order({ order: 'finish', withinSeconds: 30 })
  const outcomes = await running
  assert.ok(outcomes.size === 0 || outcomes.get(7)?.kind === 'delivered')
  assert.equal(await agent.exit, 0)
})

test('a request that cannot be read is answered by its end alone', async (t) => {
  const agent = await agentFor(t)
  const outcomes = await agent.deliver({ ...delivery(0, 6), size: -1 }, [])
  assert.equal(outcomes.size, 0)
})

const SIZE = 50 * 1_048_576
const LIMIT = 50 * 1_048_576

test('50 MB pass without 50 MB of memory, and small messages pass beside them', async (t) => {
  const agent = await agentFor(t)
  const sink = await countingSink(t)
  const small = await scriptedPeer([...HELLO, ...Array.from({ length: 20 }, () => TAKEN).flat()])
  t.after(() => small.close())
  await agent.deliver(delivery(small.port, 6), [Buffer.from('first\n')])
  const before = agent.peakMemory()
  const big = agent.deliver(delivery(sink.port, SIZE), pieces(SIZE))
  for (let message = 0; message < 10; message += 1) {
    const outcomes = await agent.deliver(delivery(small.port, 6), [Buffer.from('small\n')])
    assert.equal(outcomes.get(7)?.kind, 'delivered')
  }
  assert.equal((await big).get(7)?.kind, 'delivered')
  assert.ok(sink.received() > SIZE)
  const grown = agent.peakMemory() - before
  assert.ok(grown < LIMIT, `grew by ${Math.round(grown / 1_048_576)} MB`)
})

function* pieces(size: number): Generator<Uint8Array> {
  const piece = Buffer.from(`${'x'.repeat(79)}\n`.repeat(800))
  for (let sent = 0; sent < size; sent += piece.length) {
    yield piece.subarray(0, Math.min(piece.length, size - sent))
  }
}

/** Takes one message and counts its bytes. */
async function countingSink(t: TestContext) {
  let received = 0
  const server = createServer((socket) => {
    const replies = ['250 hi', '250 ok', '250 ok', '354 go']
    socket.on('error', () => undefined)
    socket.write('220 hi\r\n')
    socket.on('data', (bytes: Buffer) => {
      const reply = replies.shift()
      if (reply !== undefined) return socket.write(`${reply}\r\n`)
      received += bytes.length
      if (bytes.subarray(-5).toString().endsWith('.\r\n')) socket.write('250 taken\r\n')
      return true
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, received: () => received }
}
