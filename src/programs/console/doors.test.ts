import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { ControlItem } from '../../contracts/control.ts'
import type { Stream } from '../../io/connection.ts'
import type { DoorLimits } from './doors.ts'
import { DOOR_LIMITS, openDoor } from './doors.ts'

const COUNTS: ControlItem = {
  item: 'counts',
  counts: { messages: 1, recipients: 2, held: 0, attempting: 0, oldestSeconds: 3 },
}
const DONE = { end: 'done', affected: 0 }

interface World {
  readonly heads: unknown[]
  readonly cancelled: string[]
  readonly visit: () => Promise<Socket>
  /** What the queue does with a request. */
  answer: (stream: Stream) => void
}

async function withDoor(
  kind: 'operators' | 'everyone',
  use: (world: World) => Promise<void>,
  limits: Partial<DoorLimits> = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-door-'))
  const greeted = Promise.withResolvers<void>()
  const visitors: Socket[] = []
  const [queue, connection] = await connectionPair(
    {
      onOpen: (stream, head) => {
        world.heads.push(head)
        world.answer(stream)
        return { onCancel: (why) => world.cancelled.push(why) }
      },
    },
    { onHello: () => greeted.resolve() },
  )
  await greeted.promise
  const path = join(directory, 'door')
  const server = openDoor({ kind, connection, limits: { ...DOOR_LIMITS, ...limits } })
  server.listen(path)
  await once(server, 'listening')
  const world: World = {
    heads: [],
    cancelled: [],
    visit: async () => {
      const socket = connect(path)
      visitors.push(socket)
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      return socket
    },
    answer: (stream) => {
      stream.record(COUNTS)
      stream.end(DONE)
    },
  }
  try {
    await use(world)
  } finally {
    for (const socket of visitors) socket.destroy()
    server.close()
    queue.close()
    connection.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Lines until one that ends an answer, or until the door closes. */
async function answerOf(socket: Socket): Promise<readonly unknown[]> {
  let text = ''
  const values = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown)
  return new Promise((resolve) => {
    const finish = () => resolve(values())
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      if (/"end":.*\n$/.test(text)) finish()
    })
    socket.on('close', finish)
  })
}

async function say(world: World, line: string): Promise<readonly unknown[]> {
  const socket = await world.visit()
  socket.write(line)
  return answerOf(socket)
}

const STATUS = `${JSON.stringify({ type: 'status' })}\n`
const REMOVE = `${JSON.stringify({ type: 'remove', selection: {} })}\n`

suite('at a door', () => {
  test('a request reaches the queue, marked with the door, and its answer comes back', () =>
    withDoor('operators', async (world) => {
      assert.deepEqual(await say(world, STATUS), [COUNTS, DONE])
      assert.deepEqual(world.heads, [{ operator: true, request: { type: 'status' } }])
    }))

  test('everyone may ask for the status and for nothing else, whatever they claim', () =>
    withDoor('everyone', async (world) => {
      assert.deepEqual(await say(world, STATUS), [COUNTS, DONE])
      assert.deepEqual(world.heads, [{ operator: false, request: { type: 'status' } }])
      const [refused] = await say(world, REMOVE.replace('{', '{"operator":true,'))
      assert.match(JSON.stringify(refused), /"end":"refused".*members/)
      assert.equal(world.heads.length, 1)
    }))

  test('several requests on one connection are answered in turn', () =>
    withDoor('operators', async (world) => {
      const socket = await world.visit()
      socket.write(STATUS + STATUS)
      let text = ''
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
      while (text.split('"end"').length < 3) await once(socket, 'data')
      assert.equal(world.heads.length, 2)
    }))

  for (const [why, line] of [
    ['no JSON', '{\n'],
    ['an unknown request', '{"type":"stop"}\n'],
    ['a request without its parts', '{"type":"list"}\n'],
    ['an empty line', '\n'],
  ] as const) {
    test(`${why} is refused, and the door stays open`, () =>
      withDoor('operators', async (world) => {
        const socket = await world.visit()
        socket.write(line)
        assert.match(JSON.stringify(await answerOf(socket)), /refused.*malformed/)
        socket.write(STATUS)
        await once(socket, 'data')
        assert.equal(world.heads.length, 1)
      }))
  }

  test('an endless request is refused at its limit', () =>
    withDoor('operators', async (world) => {
      const answer = await say(world, 'x'.repeat(100_000))
      assert.match(JSON.stringify(answer), /too long/)
    }))

  test('one visitor too many is told so', () =>
    withDoor(
      'operators',
      async (world) => {
        const first = await world.visit()
        first.write(STATUS)
        await answerOf(first)
        assert.match(JSON.stringify(await answerOf(await world.visit())), /too many commands/)
      },
      { visits: 1 },
    ))

  test('a visitor who says nothing is let go', () =>
    withDoor(
      'operators',
      async (world) => {
        assert.deepEqual(await answerOf(await world.visit()), [])
      },
      { idle: 20 },
    ))

  test('a visitor who does not read is let go, and the queue is told to stop', () =>
    withDoor(
      'operators',
      async (world) => {
        const stopped = Promise.withResolvers<void>()
        world.answer = (stream) => {
          const pour = () => {
            if (stream.over) return stopped.resolve()
            for (let at = 0; at < 20; at += 1) {
              stream.record({ item: 'content', bytes: 'x'.repeat(20_000) })
            }
            setImmediate(pour)
          }
          pour()
        }
        const socket = await world.visit()
        socket.pause()
        socket.write(STATUS)
        await stopped.promise
        assert.equal(world.cancelled.length, 1)
      },
      { unread: 1_000_000 },
    ))

  test('when the queue gives no answer the visitor is told', () =>
    withDoor('operators', async (world) => {
      world.answer = (stream) => queueMicrotask(() => stream.cancel())
      assert.match(JSON.stringify(await say(world, STATUS)), /no answer/)
    }))
})
