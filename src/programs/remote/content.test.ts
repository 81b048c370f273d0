import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INITIAL_CREDIT } from '../../contracts/frame.ts'
import { Content } from './content.ts'

async function readAll(content: Content): Promise<string> {
  let text = ''
  for (;;) {
    const piece = await content.next()
    if (piece.kind !== 'piece') return `${text}|${piece.kind}`
    text += piece.bytes.toString()
  }
}

test('a small message can be read again, and needs no credit', async () => {
  let granted = 0
  const content = new Content(6, (bytes) => (granted += bytes))
  content.receive(Buffer.from('abc'))
  content.receive(Buffer.from('def'))
  content.receiveEnd()
  assert.equal(await readAll(content), 'abcdef|end')
  assert.equal(content.rewind(), true)
  assert.equal(await readAll(content), 'abcdef|end')
  assert.equal(granted, 0)
})

test('a large message is let go piece by piece, and cannot be read again after that', async () => {
  const granted: number[] = []
  const content = new Content(INITIAL_CREDIT + 1, (bytes) => granted.push(bytes))
  content.receive(Buffer.from('abc'))
  await content.next()
  assert.deepEqual(granted, [], 'a piece that may not have been sent is not paid for')
  assert.equal(content.rewind(), true)
  await content.next()
  const next = content.next()
  content.receive(Buffer.from('de'))
  await next
  content.receiveEnd()
  assert.equal((await content.next()).kind, 'end')
  assert.deepEqual(granted, [3, 2])
  assert.equal(content.rewind(), false)
})

test('more than was announced is let go too, so that it never waits for credit for ever', async () => {
  let granted = 0
  const content = new Content(1, (bytes) => (granted += bytes))
  content.receive(Buffer.from('abc'))
  await content.next()
  void content.next()
  assert.equal(granted, 3)
})

test('a message that is taken back ends every wait, and whoever asks later is told', async () => {
  const content = new Content(10, () => undefined)
  const next = content.next()
  let heard = 0
  content.whenGone(() => (heard += 1))
  content.receiveCancel()
  assert.equal((await next).kind, 'gone')
  content.whenGone(() => (heard += 1))
  assert.equal(heard, 2)
  assert.equal(content.rewind(), false)
})
