import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { scriptedPeer } from '../../test/support/scripted-peer.ts'
import { dial } from './smtp-socket.ts'

async function socketTo(t: TestContext, ...script: readonly string[]) {
  const peer = await scriptedPeer(script)
  t.after(() => peer.close())
  const { signal } = new AbortController()
  const dialled = await dial({ address: '127.0.0.1', port: peer.port, timeoutMs: 5_000, signal })
  assert.ok(dialled.ok)
  t.after(() => dialled.value.destroy())
  return dialled.value
}

test('replies are heard in order, and then why there are no more', async (t) => {
  const socket = await socketTo(t, 'S: 220 a\n250 b', 'close')
  assert.deepEqual(await socket.hear(5_000), { kind: 'reply', reply: { code: 220, lines: ['a'] } })
  assert.deepEqual(await socket.hear(5_000), { kind: 'reply', reply: { code: 250, lines: ['b'] } })
  assert.deepEqual(await socket.hear(5_000), { kind: 'lost', why: 'the connection was closed' })
  assert.equal(await socket.write('x', 5_000), false)
})

test('a host that says nothing is given up after the limit', async (t) => {
  const socket = await socketTo(t, 'wait')
  assert.deepEqual(await socket.hear(20), { kind: 'lost', why: 'no reply in time' })
  assert.equal(socket.quiet, false)
})

test('a host whose words are no replies is cut off', async (t) => {
  const socket = await socketTo(t, 'S: 220 ok\nnonsense')
  assert.equal((await socket.hear(5_000)).kind, 'reply')
  const lost = await socket.hear(5_000)
  assert.match(lost.kind === 'lost' ? lost.why : '', /not a reply/)
})

test('a host that talks without being asked is cut off', async (t) => {
  const socket = await socketTo(t, 'C: GO', `S: ${'250 x\n'.repeat(5_000)}250 x`, 'wait')
  assert.equal(socket.quiet, true)
  socket.say(['GO'])
  await new Promise((resolve) => setImmediate(resolve))
  while ((await socket.hear(5_000)).kind === 'reply') continue
  assert.equal(socket.quiet, false)
})

test('a port where nobody listens, and an attempt that is given up, are told in words', async () => {
  const { signal } = new AbortController()
  const refused = await dial({ address: '127.0.0.1', port: 1, timeoutMs: 5_000, signal })
  assert.deepEqual(refused, { ok: false, problem: 'connection refused' })
  const abort = new AbortController()
  const dialling = dial({ address: '127.0.0.1', port: 1, timeoutMs: 5_000, signal: abort.signal })
  abort.abort()
  assert.deepEqual(await dialling, { ok: false, problem: 'given up' })
})

test('data that a host does not read is lost after the limit', async (t) => {
  const server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const { port } = server.address() as AddressInfo
  const { signal } = new AbortController()
  const dialled = await dial({ address: '127.0.0.1', port, timeoutMs: 5_000, signal })
  assert.ok(dialled.ok)
  const [far] = (await accepted) as [Socket]
  t.after(() => {
    far.destroy()
    server.close()
  })
  const piece = Buffer.alloc(1_048_576)
  let pieces = 0
  while (await dialled.value.write(piece, 50)) pieces += 1
  assert.ok(pieces < 100)
  const lost = await dialled.value.hear(50)
  assert.equal(lost.kind === 'lost' && lost.why, 'the server takes no more data')
})
