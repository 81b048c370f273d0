import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { DOOR_FILES } from '../../contracts/supervision.ts'
import { ask } from './ask.ts'

async function withDoor(
  answer: (socket: Socket) => void,
  act: (run: string) => Promise<void>,
): Promise<void> {
  const run = mkdtempSync(join(tmpdir(), 'postern-ask-'))
  const path = join(run, DOOR_FILES.everyone)
  mkdirSync(dirname(path), { recursive: true })
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    answer(socket)
  })
  try {
    server.listen(path)
    await once(server, 'listening')
    await act(run)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    rmSync(run, { recursive: true, force: true })
  }
}

test('a question nobody answers ends in a sentence that says what to do', async () => {
  await withDoor(
    () => undefined,
    async (run) => {
      const answer = await ask({ run, name: 'everyone', patience: 20 }, { type: 'status' })
      assert.ok(!answer.ok)
      assert.equal(answer.problem.exitCode, 69)
      assert.match(answer.problem.text, /has not answered in time.*Its log says why/)
    },
  )
})

test('once the first word has come, the rest may take its time', async () => {
  const counts = { messages: 0, recipients: 0, held: 0, attempting: 0, oldestSeconds: 0 }
  const slowly = async (socket: Socket) => {
    await once(socket, 'data')
    socket.write(`${JSON.stringify({ item: 'counts', counts })}\n`)
    setTimeout(() => socket.end(`${JSON.stringify({ end: 'done', affected: 0 })}\n`), 600)
  }
  await withDoor(
    (socket) => void slowly(socket),
    async (run) => {
      const items: unknown[] = []
      const door = { run, name: 'everyone', patience: 400 } as const
      const answer = await ask(door, { type: 'status' }, (item) => void items.push(item))
      assert.ok(answer.ok)
      assert.equal(items.length, 1)
    },
  )
})
