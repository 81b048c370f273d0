import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { scriptedPeer } from './scripted-peer.ts'

test('a scripted peer says its lines, keeps the content and notes what does not fit', async (t) => {
  const peer = await scriptedPeer([
    'S: 220 hi',
    'C: DATA',
    'S: 354 a\n354 b',
    'C: content',
    'close',
  ])
  t.after(() => peer.close())
  const socket = connect(peer.port, '127.0.0.1')
  let said = ''
  socket.on('data', (bytes: Buffer) => (said += bytes.toString()))
  socket.write('HELO x\r\na\r\n..\r\n.\r\nQUIT\r\n')
  await once(socket, 'close')
  assert.equal(said, '220 hi\r\n354 a\r\n354 b\r\n')
  assert.deepEqual(peer.contents, ['a\r\n..\r\n.\r\n'])
  assert.deepEqual(peer.heard, ['HELO x', 'QUIT'])
  assert.equal(peer.problems.length, 1)
})

test('later connections play the later scripts, and the last one for ever', async (t) => {
  const peer = await scriptedPeer(['S: 1', 'close'], ['S: 2', 'close'])
  t.after(() => peer.close())
  for (const expected of ['1\r\n', '2\r\n', '2\r\n']) {
    const socket = connect(peer.port, '127.0.0.1')
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    assert.equal(bytes.toString(), expected)
    await once(socket, 'close')
  }
})
