import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { connectionPair, socketPair } from '../../test/support/socket-pair.ts'
import type { FrameKind } from '../contracts/frame.ts'
import { encodeFrameHeader, FRAME_HEADER_SIZE, LONGEST_PAYLOAD } from '../contracts/frame.ts'
import type { Stream, StreamListener } from './connection.ts'
import { Connection } from './connection.ts'

const SELF = { release: 'test', program: 'test' }
const opened: { close(): void }[] = []
afterEach(() => {
  for (const connection of opened.splice(0)) connection.close()
})

async function pair(
  near: Parameters<typeof connectionPair>[0],
  far: Parameters<typeof connectionPair>[1],
) {
  const both = await connectionPair(near, far)
  opened.push(...both)
  return both
}

function frame(kind: FrameKind, stream: number, payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload)
  const whole = Buffer.alloc(FRAME_HEADER_SIZE + bytes.length)
  encodeFrameHeader(whole, 0, { kind, stream, length: bytes.length })
  bytes.copy(whole, FRAME_HEADER_SIZE)
  return whole
}

/** A connection that answers, a raw socket to write anything to it, and what it came to. */
async function victim(onOpen: (stream: Stream, head: unknown) => StreamListener = () => ({})) {
  const [raw, socket] = await socketPair()
  raw.on('error', () => undefined)
  raw.resume()
  const notices: unknown[] = []
  const { promise: lost, resolve: onLost } = Promise.withResolvers<string>()
  const connection = new Connection(socket, {
    self: SELF,
    speaksFirst: false,
    onOpen,
    onNotice: (value) => notices.push(value),
    onLost,
  })
  opened.push(connection, { close: () => raw.destroy() })
  return { raw, connection, lost, notices }
}

/** Everything a stream brings, until its end. */
function collect(stream: () => Stream): {
  readonly listener: StreamListener
  readonly done: Promise<{
    readonly end: unknown
    readonly records: unknown[]
    readonly size: number
  }>
} {
  const records: unknown[] = []
  let size = 0
  const { promise, resolve, reject } = Promise.withResolvers<{
    end: unknown
    records: unknown[]
    size: number
  }>()
  const listener: StreamListener = {
    onRecord: (value) => records.push(value),
    onData: (bytes) => {
      size += bytes.length
      stream().grant(bytes.length)
    },
    onEnd: (end) => resolve({ end, records, size }),
    onCancel: (why) => reject(new Error(why)),
  }
  return { listener, done: promise }
}

test('a request carries a head, records and data, and is answered', async () => {
  const [near] = await pair(
    {},
    {
      onOpen: (stream, head) => {
        const { listener, done } = collect(() => stream)
        void done.then((given) => stream.end({ head, ...given }))
        return listener
      },
    },
  )
  const answer = Promise.withResolvers<unknown>()
  const stream = near.open({ ask: 1 }, { onEnd: answer.resolve })
  stream.record('first')
  assert.ok(await stream.write(Buffer.alloc(200_000)))
  stream.end('last')
  assert.deepEqual(await answer.promise, {
    head: { ask: 1 },
    records: ['first'],
    size: 200_000,
    end: 'last',
  })
  assert.equal(near.streamCount, 0)
})

test('any chunking of the bytes gives the same records', async () => {
  const wire = Buffer.concat([
    frame('hello', 0, JSON.stringify(SELF)),
    ...['one', 'zwei', 'três', ''].map((text) => frame('notice', 0, JSON.stringify(text))),
    frame('notice', 0, JSON.stringify('x'.repeat(5_000))),
    frame('notice', 0, '"end"'),
  ])
  const cuts = fc.array(fc.nat(wire.length), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(cuts, async (places) => {
      const { socket, connection, notices } = unconnected()
      let from = 0
      for (const place of [...places, wire.length].sort((a, b) => a - b)) {
        socket.emit('data', Buffer.from(wire.subarray(from, place)))
        from = place
      }
      assert.deepEqual(notices, ['one', 'zwei', 'três', '', 'x'.repeat(5_000), 'end'])
      connection.close()
    }),
    { numRuns: 50 },
  )
})

test('whatever bytes arrive, nothing is thrown', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (chunks) => {
      const { socket, connection } = unconnected()
      socket.emit('data', frame('hello', 0, JSON.stringify(SELF)))
      for (const chunk of chunks) socket.emit('data', Buffer.from(chunk))
      connection.close()
    }),
  )
})

/** A connection fed by hand: its socket writes nowhere. */
function unconnected() {
  const notices: unknown[] = []
  const handlers = new Map<string, (bytes: Buffer) => void>()
  const socket = {
    on: (event: string, call: (bytes: Buffer) => void) => handlers.set(event, call),
    emit: (event: string, bytes: Buffer) => handlers.get(event)?.(bytes),
    write: () => true,
    cork: () => undefined,
    uncork: () => undefined,
    destroy: () => undefined,
    writableLength: 0,
  }
  const connection = new Connection(socket as unknown as Socket, {
    self: SELF,
    speaksFirst: false,
    onOpen: () => ({}),
    onNotice: (value) => notices.push(value),
    onLost: () => undefined,
  })
  return { socket, connection, notices }
}

test('one stalled reader of 50 MB holds up its own stream only', async () => {
  const stalled = Promise.withResolvers<Stream>()
  let stalledBytes = 0
  const [near] = await pair(
    {},
    {
      onOpen: (stream, head) => {
        if (head !== 'stalled') {
          const { listener, done } = collect(() => stream)
          void done.then(({ size }) => stream.end(size))
          return listener
        }
        stalled.resolve(stream)
        return {
          onData: (bytes) => (stalledBytes += bytes.length),
          onEnd: (end) => stream.end(end),
        }
      },
    },
  )
  const piece = Buffer.alloc(1_048_576)
  const big = Promise.withResolvers<unknown>()
  const large = near.open('stalled', { onEnd: big.resolve })
  const writing = (async () => {
    for (let count = 0; count < 50; count += 1) assert.ok(await large.write(piece))
    large.end('all')
  })()
  const reader = await stalled.promise
  const before = process.memoryUsage().arrayBuffers
  for (let count = 0; count < 500; count += 1) {
    const answer = Promise.withResolvers<unknown>()
    const small = near.open('small', { onEnd: answer.resolve })
    await small.write(Buffer.alloc(4_096))
    small.end({})
    assert.equal(await answer.promise, 4_096)
  }
  assert.equal(stalledBytes, 65_536, 'the stalled stream has used up its first credit, no more')
  assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000, 'nothing has piled up')
  reader.grant(60_000_000)
  await writing
  assert.equal(await big.promise, 'all')
  assert.equal(stalledBytes, 50 * piece.length)
})

test('records and answers pass a stream of data by', async () => {
  const [near] = await pair({}, { onOpen: (stream, head) => answering(stream, head) })
  const flood = near.open('flood', {})
  void flood.write(Buffer.alloc(10_000_000))
  const answer = Promise.withResolvers<unknown>()
  near.open('question', { onEnd: answer.resolve }).end({})
  assert.equal(await answer.promise, 'answer')
})

function answering(stream: Stream, head: unknown): StreamListener {
  if (head === 'question') stream.end('answer')
  return { onData: (bytes) => stream.grant(bytes.length) }
}

const MALFORMED: readonly {
  readonly name: string
  readonly bytes: Buffer
  readonly why: RegExp
}[] = [
  { name: 'a payload beyond the limit', bytes: tooLong(), why: /payload too long/ },
  { name: 'a kind that does not exist', bytes: strangeKind(), why: /unknown kind/ },
  { name: 'a record that is not JSON', bytes: frame('notice', 0, '{'), why: /malformed record/ },
  { name: 'an empty record', bytes: frame('notice', 0, ''), why: /malformed record/ },
  {
    name: 'a second hello',
    bytes: frame('hello', 0, JSON.stringify(SELF)),
    why: /unexpected hello/,
  },
  { name: 'a credit that is none', bytes: frame('credit', 1, 'abc'), why: /not a credit/ },
  {
    name: 'a stream opened twice',
    bytes: Buffer.concat([frame('open', 1, '1'), frame('open', 1, '1')]),
    why: /unexpected open/,
  },
  {
    name: 'data beyond its credit',
    bytes: Buffer.concat([
      frame('open', 1, '1'),
      frame('data', 1, Buffer.alloc(LONGEST_PAYLOAD)),
      frame('data', 1, 'x'),
    ]),
    why: /beyond its credit/,
  },
]
for (const { name, bytes, why } of MALFORMED) {
  test(`${name} ends this connection, and its streams are told`, async () => {
    const told: string[] = []
    const { raw, lost } = await victim(() => ({ onCancel: (reason) => told.push(reason) }))
    const bystander = await victim()
    raw.write(frame('hello', 0, JSON.stringify(SELF)))
    raw.write(bytes)
    assert.match(await lost, why)
    assert.equal(bystander.connection.lost, false)
    assert.ok(told.every((reason) => why.test(reason)))
  })
}

function tooLong(): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_SIZE)
  encodeFrameHeader(header, 0, { kind: 'notice', stream: 0, length: LONGEST_PAYLOAD + 1 })
  return header
}

function strangeKind(): Buffer {
  const bytes = frame('notice', 0, '1')
  bytes[8] = 99
  return bytes
}

test('streams without end end the connection, not the process', async () => {
  const { raw, lost } = await victim()
  raw.write(frame('hello', 0, JSON.stringify(SELF)))
  const many = Array.from({ length: 20_001 }, (_, index) => frame('open', index + 1, '1'))
  raw.write(Buffer.concat(many))
  assert.match(await lost, /too many streams/)
})

test('a side that opens nothing takes no streams', async () => {
  const [raw, socket] = await socketPair()
  raw.on('error', () => undefined)
  const lost = Promise.withResolvers<string>()
  opened.push(new Connection(socket, { self: SELF, speaksFirst: false, onLost: lost.resolve }), {
    close: () => raw.destroy(),
  })
  raw.write(Buffer.concat([frame('hello', 0, JSON.stringify(SELF)), frame('open', 1, '1')]))
  assert.match(await lost.promise, /unexpected open/)
})

test('a stranger release is refused on both sides, and so is a peer without a hello', async () => {
  const near = Promise.withResolvers<string>()
  const far = Promise.withResolvers<string>()
  await pair(
    { self: { release: 'old', program: 'test' }, onLost: near.resolve },
    { onLost: far.resolve },
  )
  assert.match(await far.promise, /release old/)
  await near.promise
  const { raw, lost } = await victim()
  raw.write(frame('notice', 0, '1'))
  assert.equal(await lost, 'no hello')
})

test('the side that is spoken to says nothing before it is', async () => {
  const [raw, socket] = await socketPair()
  const received: Buffer[] = []
  raw.on('data', (bytes: Buffer) => received.push(bytes))
  opened.push(new Connection(socket, { self: SELF, speaksFirst: false, onLost: () => undefined }), {
    close: () => raw.destroy(),
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(received.length, 0)
  raw.write(frame('hello', 0, JSON.stringify(SELF)))
  await once(raw, 'data')
  assert.ok(Buffer.concat(received).includes('"release":"test"'))
})

test('a lost connection tells every stream, wakes every writer, and then its user', async () => {
  const said: string[] = []
  const [near, far] = await pair({ onLost: () => said.push('lost') }, { onOpen: () => ({}) })
  const stream = near.open(1, { onCancel: () => said.push('cancelled') })
  const writing = stream.write(Buffer.alloc(1_000_000))
  far.close()
  assert.equal(await writing, false)
  assert.deepEqual(said, ['cancelled', 'lost'])
  const late = Promise.withResolvers<string>()
  near.open(2, { onCancel: late.resolve })
  assert.match(await late.promise, /lost/)
})

test('a cancelled stream reaches the other side and leaves the others alone', async () => {
  const cancelled = Promise.withResolvers<string>()
  const [near] = await pair(
    {},
    {
      onOpen: (stream, head) => {
        if (head === 'question') stream.end('answer')
        return { onCancel: cancelled.resolve }
      },
    },
  )
  const stream = near.open('long', {})
  stream.cancel()
  assert.match(await cancelled.promise, /cancelled/)
  assert.equal(await stream.write(Buffer.from('x')), false)
  const answer = Promise.withResolvers<unknown>()
  near.open('question', { onEnd: answer.resolve })
  assert.equal(await answer.promise, 'answer')
})

test('an answer ends its stream on both sides, though the question never ended', async () => {
  const [near, far] = await pair({}, { onOpen: (stream, head) => answering(stream, head) })
  for (let count = 0; count < 100; count += 1) {
    const answer = Promise.withResolvers<unknown>()
    const stream = near.open('question', { onEnd: answer.resolve })
    void stream.write(Buffer.alloc(100_000))
    assert.equal(await answer.promise, 'answer')
  }
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(near.streamCount, 0)
  assert.equal(far.streamCount, 0)
})
