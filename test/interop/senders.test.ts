/**
 * Other people's senders and readers: swaks and Postfix's smtp-source send through Postern into
 * Maildirs, which Dovecot and mutt read.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { needs } from '../support/debian.ts'
import type { Postern } from '../support/postern.ts'
import {
  mailFiles,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'

const run = promisify(execFile)
const skip = (await needs('swaks', 'postfix', 'dovecot-core', 'mutt')) ?? false
const MESSAGES = 200

suite('real senders and readers', { skip }, () => {
  const directory = makeDirectory()
  let postern: Postern

  before(async () => {
    postern = await startPostern({ directory })
  })
  after(async () => {
    await postern.stop()
    removeDirectory(directory)
  })

  test('swaks sends to two recipients, pipelined and not; both Maildirs hold the message as sent', async () => {
    for (const flags of [['--pipeline'], []]) {
      await run('swaks', [
        ...['--server', '127.0.0.1', '--port', String(postern.smtpPort)],
        ...['--from', 'sender@elsewhere.test', '--to', 'anna@postern.test,bert@postern.test'],
        ...['--header', 'Subject: from swaks', '--body', 'one\\n.two\\n..three\\n'],
        ...flags,
      ])
    }
    for (const user of ['anna', 'bert']) {
      const mailbox = join(directory, 'mail', user)
      await until(() => mailFiles(mailbox).length === 2, 20)
      for (const text of mailTexts(mailbox)) {
        assert.match(text, /^Return-Path: <sender@elsewhere\.test>\n/)
        assert.match(text, new RegExp(`^Delivered-To: ${user}@postern\\.test$`, 'm'))
        assert.match(text, /\none\n\.two\n\.\.three\n/)
      }
    }
  })

  test('swaks hears 550 for an unknown command order and for relaying, and nothing is queued', async () => {
    const refused = await run('swaks', [
      ...['--server', '127.0.0.1', '--port', String(postern.smtpPort)],
      ...['--from', 'sender@elsewhere.test', '--to', 'x@postern.test', '--helo', ''],
    ]).catch((error: { readonly stdout: string }) => error)
    assert.match(refused.stdout, /50[0-9] 5\.5\.[0-9]/)
  })

  test('smtp-source sends many messages over several sessions, and doveadm counts them all', async () => {
    await run('smtp-source', [
      ...['-s', '10', '-m', String(MESSAGES), '-l', '4096'],
      ...['-f', 'source@elsewhere.test', '-t', 'many@postern.test'],
      `127.0.0.1:${postern.smtpPort}`,
    ])
    const mailbox = join(directory, 'mail/many')
    await until(() => mailFiles(mailbox).length === MESSAGES, 60)
    const { stdout } = await doveadm(directory, ['fetch', 'size.physical', 'mailbox', 'INBOX'])
    assert.equal(stdout.match(/size\.physical: \d+/g)?.length, MESSAGES)
  })

  test('mutt opens a Maildir and prints the message', async () => {
    const mailbox = join(directory, 'mail/anna')
    const { stdout } = await run(
      'mutt',
      [
        '-n',
        '-F',
        '/dev/null',
        '-R',
        '-f',
        mailbox,
        '-e',
        'set pager_stop=no; push "<pipe-message>cat<enter><exit><exit>"',
      ],
      { env: { ...process.env, TERM: 'dumb', HOME: directory }, timeout: 20_000 },
    ).catch((error: { readonly stdout: string }) => error)
    assert.match(stdout, /from swaks/)
  })
})

/** Dovecot's administration tool on the Maildir of user `many`. */
function doveadm(
  directory: string,
  command: readonly string[],
): Promise<{ readonly stdout: string }> {
  const state = join(directory, 'dovecot')
  mkdirSync(state, { recursive: true })
  const config = join(state, 'dovecot.conf')
  const user = userInfo()
  writeFileSync(
    config,
    `base_dir = ${state}
state_dir = ${state}
log_path = ${state}/log
default_internal_user = ${user.username}
default_login_user = ${user.username}
default_internal_group = root
mail_location = maildir:${directory}/mail/many
first_valid_uid = 0
ssl = no
mail_uid = ${user.uid}
mail_gid = ${user.gid}
mail_home = ${state}
`,
  )
  const [verb = '', ...rest] = command
  return run(
    'doveadm',
    ['-c', config, '-o', `mail=maildir:${directory}/mail/many`, verb, ...rest],
    {
      env: { ...process.env, USER: user.username, HOME: state },
      maxBuffer: 10_000_000,
    },
  )
}
