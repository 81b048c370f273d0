import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { receiverSettings } from '../../../test/support/receiver-session.ts'
import { SmtpClient } from '../../../test/support/smtp-client.ts'
import { Connection } from '../../io/connection.ts'

interface Running {
  readonly child: ChildProcess
  readonly port: number
  readonly queue: Connection
  readonly order: (order: unknown) => void
  readonly status: Promise<string>
  readonly exit: Promise<unknown>
}

/** The real process, with this test in place of the supervisor and of the queue. */
async function start(t: TestContext): Promise<Running> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe', 'pipe', fd],
  })
  server.close()
  t.after(() => child.kill('SIGKILL'))
  const order = (value: unknown) => (child.stdio[3] as Writable).write(`${JSON.stringify(value)}\n`)
  order({
    order: 'begin',
    release: 'test',
    program: 'receiver',
    index: 0,
    separated: false,
    settings: receiverSettings(),
    doors: [{ fd: 6, kind: 'smtp', name: `127.0.0.1:${port}` }],
  })
  const queue = new Connection(child.stdio.at(5) as Socket, {
    self: { release: 'test', program: 'queue' },
    speaksFirst: true,
    onOpen: (stream) => {
      stream.end({ kind: 'unsure', because: 'a test' })
      return {}
    },
    onLost: () => undefined,
  })
  const status = once(child.stdio[4] as Readable, 'data').then(([bytes]) => String(bytes))
  return { child, port, queue, order, status, exit: once(child, 'exit').then(([code]) => code) }
}

test('the process listens at the door it was given, and leaves with 0 when told to finish', async (t) => {
  const { port, order, status, exit } = await start(t)
  assert.equal(await status, '{"status":"ready"}\n')
  const client = new SmtpClient(port)
  await client.hello()
  await client.expect('MAIL FROM:<a@c.test>', 250)
  await client.expect('RCPT TO:<postmaster>', 451)
  order({ order: 'finish', withinSeconds: 0 })
  assert.equal((await client.reply()).code, 421)
  client.close()
  assert.equal(await exit, 0)
})

test('the process leaves with 0 when the queue is gone', async (t) => {
  const { port, queue, status, exit } = await start(t)
  await status
  const client = new SmtpClient(port)
  await client.hello()
  queue.close()
  assert.equal((await client.reply()).code, 421)
  client.close()
  assert.equal(await exit, 0)
})

test('the process leaves when the supervisor is gone', async (t) => {
  const { child, status, exit } = await start(t)
  await status
  child.stdio[3]?.destroy()
  assert.equal(await exit, 0)
})
