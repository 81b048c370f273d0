/**
 * An agent runs as a user, who can stop it with a signal. A stopped process neither hears that its
 * connection is closed nor leaves; Postern must end it, or one user would take every agent's place.
 */

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { isAlive } from '../support/fake-release.ts'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** A Postern whose one agent has delivered a message and been stopped. */
async function startWithStopped(): Promise<{ readonly postern: Postern; readonly agent: number }> {
  const directory = makeDirectory()
  cleanups.push(() => removeDirectory(directory))
  const settings = `${everydaySettings(directory)}[limits]\nagent_idle = "1s"\n`
  const postern = await startPostern({ directory, settings })
  cleanups.push(() => postern.stop())
  const client = new SmtpClient(postern.smtpPort)
  await client.hello()
  await client.send({ from: 'a@sender.test', to: ['joe@postern.test'], content: 'Subject: x\n\n' })
  client.close()
  await until(() => mailTexts(directory).length === 1, 20)
  const [agent] = postern.pids('local')
  assert.ok(agent !== undefined)
  process.kill(agent, 'SIGSTOP')
  return { postern, agent }
}

test('a stopped agent that the queue lets go is killed', async () => {
  const { postern, agent } = await startWithStopped()
  await until(() => !isAlive(agent), 20)
  await until(() => /agent-failed .*how=SIGKILL/.test(postern.log()), 5)
})

test('a stopped agent does not outlive the queue', async () => {
  const { postern, agent } = await startWithStopped()
  for (const queue of postern.pids('queue')) process.kill(queue, 'SIGKILL')
  await until(() => !isAlive(agent), 10)
})

test('a stopped agent does not outlive Postern, nor keep it for long', async () => {
  const { postern, agent } = await startWithStopped()
  const before = Date.now()
  assert.equal(await postern.stop(), 0)
  assert.ok(Date.now() - before < 10_000)
  assert.equal(isAlive(agent), false)
})
