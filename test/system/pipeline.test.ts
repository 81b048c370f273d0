/**
 * The whole pipeline in real processes, as the current user: what a newcomer gets with `npm start`.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Postern } from '../support/postern.ts'
import {
  catchOutbound,
  everydaySettings,
  mailFiles,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient, withSession } from '../support/smtp-client.ts'
import { startSmtpSink } from '../support/smtp-sink.ts'

const bin = join(import.meta.dirname, '../../bin')

async function withPostern(
  use: (postern: Postern, directory: string) => Promise<void>,
  settings?: (directory: string) => string,
): Promise<void> {
  const directory = makeDirectory()
  const postern = await startPostern({
    directory,
    ...(settings === undefined ? {} : { settings: settings(directory) }),
  })
  try {
    await use(postern, directory)
  } finally {
    await postern.stop()
    removeDirectory(directory)
  }
}

const send = (postern: Postern, to: readonly string[], content = 'Subject: x\n\nbody\n') =>
  withSession(postern.smtpPort, (client) => client.send({ from: 'a@sender.test', to, content }))

suite('the whole pipeline', () => {
  test('mail for the own domain arrives in its Maildir, for any other in the catching one', () =>
    withPostern(async (postern, directory) => {
      const reply = await send(postern, ['joe@postern.test', 'else@where.test'])
      assert.equal(reply.code, 250)
      await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
      await until(() => mailFiles(`${directory}/outbound`).length === 1, 20)
      const [text = ''] = mailTexts(`${directory}/mail/joe`)
      assert.match(
        text,
        /^Return-Path: <a@sender\.test>\nDelivered-To: joe@postern\.test\nReceived: /,
      )
      assert.ok(text.endsWith('Subject: x\n\nbody\n'))
    }))

  test('sendmail hands in a message while the daemon is stopped; it is delivered after the start', async () => {
    const directory = makeDirectory()
    try {
      const first = await startPostern({ directory })
      assert.equal(await first.stop(), 0)
      const done = spawnSync(join(bin, 'sendmail'), ['-f', 'me@postern.test', 'joe@postern.test'], {
        input: 'Subject: waiting\n\nin the drop directory\n',
        env: { ...process.env, POSTERN_DROP: `${directory}/drop` },
        encoding: 'utf8',
      })
      assert.equal(done.status, 0, done.stderr)
      const second = await startPostern({ directory })
      await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
      const [text = ''] = mailTexts(`${directory}/mail/joe`)
      assert.match(text, /^Message-ID: </im)
      assert.match(text, /^Date: /m)
      assert.match(text, /in the drop directory/)
      await until(() => readdirSync(`${directory}/drop`).length === 0, 20)
      assert.equal(await second.stop(), 0)
    } finally {
      removeDirectory(directory)
    }
  })

  test('what was queued when it stopped is delivered after it has started again', async () => {
    const directory = makeDirectory()
    const dead = await startSmtpSink({})
    await dead.close()
    const settings = (port: number) => `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${port}"
`
    try {
      const first = await startPostern({ directory, settings: settings(dead.port) })
      await send(first, ['someone@where.test'])
      await until(() => /deferred/.test(first.log()), 30)
      assert.equal(await first.stop(), 0)
      const sink = await startSmtpSink({})
      const second = await startPostern({ directory, settings: settings(sink.port) })
      const retry = postern(second, ['queue', 'retry', '--all'])
      assert.equal(retry.status, 0, retry.stderr)
      await until(() => sink.messages.length === 1, 60)
      assert.equal(await second.stop(), 0)
      await sink.close()
    } finally {
      removeDirectory(directory)
    }
  })

  test('a recipient that the other host refuses comes back to the sender as a report', async () => {
    const sink = await startSmtpSink({ refuse: () => '550 5.1.1 nobody here by that name' })
    await withPostern(
      async (postern, directory) => {
        const reply = await withSession(postern.smtpPort, (client) =>
          client.send({
            from: 'joe@postern.test',
            to: ['nobody@where.test'],
            content: 'Subject: lost\n\nbody\n',
          }),
        )
        assert.equal(reply.code, 250)
        await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 30)
        const [text = ''] = mailTexts(`${directory}/mail/joe`)
        assert.match(text, /^Return-Path: <>/)
        assert.match(text, /multipart\/report; report-type=delivery-status/)
        assert.match(text, /^Final-Recipient: rfc822; ?nobody@where\.test$/m)
        assert.match(text, /^Action: failed$/m)
        assert.match(text, /^Status: 5\.1\.1$/m)
        assert.match(text, /nobody here by that name/)
        assert.match(text, /^Subject: lost$/m)
      },
      (directory) => `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${sink.port}"
`,
    )
    await sink.close()
  })

  test('strangers may not relay, and are told so before they send anything', () =>
    withPostern(
      async (postern) => {
        await withSession(postern.smtpPort, async (client) => {
          await client.expect('MAIL FROM:<a@sender.test>', 250)
          const reply = await client.command('RCPT TO:<b@where.test>')
          assert.match(reply.lines.join(), /^550 5\.7\.1 /)
        })
      },
      (directory) => `${everydaySettings(directory)}[relay]\nfrom = ["192.0.2.0/24"]\n`,
    ))

  test('an unknown mailbox is refused at RCPT, not bounced', () =>
    withPostern(
      async (postern) => {
        await withSession(postern.smtpPort, async (client) => {
          await client.expect('MAIL FROM:<a@sender.test>', 250)
          const reply = await client.command('RCPT TO:<nobody@postern.test>')
          assert.match(reply.lines.join(), /^550 5\.1\.1 /)
        })
      },
      (directory) => everydaySettings(directory).replace('create = true', 'create = false'),
    ))

  test('TERM while a transaction is open: it is finished or refused, never lost', () =>
    withPostern(async (postern, directory) => {
      const client = new SmtpClient(postern.smtpPort)
      await client.hello()
      await client.expect('MAIL FROM:<a@sender.test>', 250)
      await client.expect('RCPT TO:<joe@postern.test>', 250)
      await client.expect('DATA', 354)
      postern.signal('SIGTERM')
      client.write('Subject: late\r\n\r\nbody\r\n.\r\n')
      const reply = await client.reply().catch(() => ({ code: 421, lines: [] }))
      client.close()
      await postern.ended
      if (reply.code !== 250) return
      const again = await startPostern({ directory })
      await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
      await again.stop()
    }))

  test('HUP takes new settings without losing a session; a bad file leaves the old ones in force', () =>
    withPostern(async (running, directory) => {
      const client = new SmtpClient(running.smtpPort)
      await client.hello()
      await client.expect('MAIL FROM:<a@sender.test>', 250)
      await client.expect('RCPT TO:<joe@postern.test>', 250)
      const settings = everydaySettings(directory) + catchOutbound(directory)
      writeFileSync(running.config, `${settings}\nnonsense = `)
      running.signal('SIGHUP')
      await until(() => /postern\.toml:\d+:\d+/.test(running.log()), 20)
      const more = `[domains."new.test"]
maildir = "${directory}/mail/new-{local}/"
user = "${userInfo().username}"
create = true
`
      writeFileSync(running.config, settings + more)
      running.signal('SIGHUP')
      await until(async () => {
        await send(running, ['ann@new.test']).catch(() => undefined)
        return mailFiles(`${directory}/mail/new-ann`).length > 0
      }, 30)
      // The transaction that was open all the while goes on, with the program it began with.
      await client.expect('DATA', 354)
      client.write('Subject: patient\r\n\r\nbody\r\n.\r\n')
      assert.equal((await client.reply()).code, 250)
      client.close()
      await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
    }))
})

suite('operators', () => {
  test('status exits 0 while mail is accepted, and not before or after', async () => {
    const directory = makeDirectory()
    try {
      const running = await startPostern({ directory })
      const up = postern(running, ['status', '--json'])
      assert.equal(up.status, 0, up.stderr)
      assert.equal((JSON.parse(up.stdout) as { messages: number }).messages, 0)
      await running.stop()
      assert.notEqual(postern(running, ['status']).status, 0)
    } finally {
      removeDirectory(directory)
    }
  })

  test('queue list, show and remove act upon what waits', async () => {
    const dead = await startSmtpSink({})
    await dead.close()
    await withPostern(
      async (running) => {
        await send(running, ['one@where.test', 'two@where.test'])
        await until(() => /deferred/.test(running.log()), 30)
        const list = postern(running, ['queue', 'list', '--json'])
        assert.equal(list.status, 0, list.stderr)
        const text = list.stdout
        assert.match(text, /one@where\.test/)
        const id = /"queueId":\s*"([0-9A-Z]+)"/.exec(text)?.[1] ?? ''
        const show = postern(running, ['queue', 'show', id])
        assert.match(show.stdout, /two@where\.test/)
        const removed = postern(running, ['queue', 'remove', '--id', id])
        assert.equal(removed.status, 0, removed.stderr)
        await until(() => !postern(running, ['queue', 'list', '--json']).stdout.includes(id), 20)
      },
      (directory) => `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${dead.port}"
`,
    )
  })
})

/** The operators' command, against this instance. */
function postern(
  running: Postern,
  words: readonly string[],
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(join(bin, 'postern'), [...words, '--config', running.config], {
    encoding: 'utf8',
  })
}
