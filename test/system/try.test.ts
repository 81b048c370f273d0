/**
 * `postern try`, which is `npm start`: what a newcomer sees.
 */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mailTexts, makeDirectory, removeDirectory, until } from '../support/postern.ts'
import { withSession } from '../support/smtp-client.ts'

const directory = makeDirectory()
const bin = join(import.meta.dirname, '../../bin')
const started = new Set<ChildProcess>()
after(() => {
  for (const child of started) child.kill('SIGTERM')
  removeDirectory(directory)
})

interface Trial {
  readonly child: ChildProcess
  readonly output: () => string
  readonly port: number
}

async function tryOut(): Promise<Trial> {
  const child = spawn(join(bin, 'postern'), ['try', '--port', '0', '--directory', directory])
  started.add(child)
  child.on('exit', () => started.delete(child))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => (output += bytes.toString()))
  }
  await until(() => output.includes('Ctrl-C') || child.exitCode !== null, 40)
  const port = Number(/listens on 127\.0\.0\.1:(\d+)/.exec(output)?.[1])
  assert.ok(port > 0, output)
  return { child, output: () => output, port }
}

async function interrupt({ child }: Trial): Promise<number | null> {
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  const [code] = (await ended) as [number | null]
  return code
}

function sendmail(recipient: string, text: string): void {
  const done = spawnSync(join(bin, 'sendmail'), [recipient], {
    input: text,
    env: { ...process.env, POSTERN_DROP: join(directory, 'drop') },
    encoding: 'utf8',
  })
  assert.equal(done.status, 0, done.stderr)
}

const holds = (mailbox: string, text: string) =>
  mailTexts(join(directory, mailbox)).some((mail) => mail.includes(text))

test('mail for the domain arrives, all other mail is caught, and Ctrl-C ends it cleanly', async () => {
  const trial = await tryOut()
  await withSession(trial.port, async (client) => {
    const message = { from: 'ann@postern.test', content: 'Subject: one\n\nfirst\n' }
    await client.send({ ...message, to: ['joe@postern.test', 'someone@example.org'] })
  })
  sendmail('pat@postern.test', 'Subject: two\n\nsecond\n')
  await until(() => holds('mail/joe', 'first') && holds('mail/pat', 'second'), 20)
  await until(() => holds('outbound', 'first'), 20)
  assert.equal(await interrupt(trial), 0, trial.output())
  assert.match(trial.output(), /has stopped/)
})

test('what was dropped while it was stopped is delivered when it starts again', async () => {
  sendmail('joe@postern.test', 'Subject: three\n\nmeanwhile\n')
  const trial = await tryOut()
  await until(() => holds('mail/joe', 'meanwhile'), 20)
  const again = spawnSync(join(bin, 'postern'), ['try', '--port', '0', '--directory', directory], {
    encoding: 'utf8',
  })
  assert.equal(again.status, 69)
  assert.match(again.stderr, /runs in .* already/)
  assert.equal(await interrupt(trial), 0)
})

test('a port that is taken is told, with what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const args = ['try', '--port', String(address.port), '--directory', directory]
  const child = spawn(join(bin, 'postern'), args)
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  server.close()
  assert.equal(code, 69)
  assert.match(errors, /another program has that port.*--port/)
})
