/**
 * Other people's senders and readers: swaks and Postfix's smtp-source send through Postern into
 * Maildirs, which Dovecot and mutt read.
 */

import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
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
        '--server',
        '127.0.0.1',
        '--port',
        String(postern.smtpPort),
        '--from',
        'sender@elsewhere.test',
        '--to',
        'anna@postern.test,bert@postern.test',
        '--header',
        'Subject: from swaks',
        '--body',
        'one\\n.two\\n..three\\n',
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

  test('swaks hears 501 for a greeting without a name, and nothing is queued', async () => {
    const refused = await run('swaks', [
      '--server',
      `127.0.0.1:${postern.smtpPort}`,
      '--from',
      'sender@elsewhere.test',
      '--to',
      'nobody-hears@postern.test',
      '--helo',
      ' ',
    ]).catch((error: { readonly stdout: string }) => error)
    assert.match(refused.stdout, /501 5\.5\.[0-9]/)
    assert.doesNotMatch(postern.log(), /nobody-hears/)
  })

  test('smtp-source sends many messages over several sessions, and doveadm counts them all', async () => {
    await run('smtp-source', [
      '-s',
      '10',
      '-m',
      String(MESSAGES),
      '-l',
      '4096',
      '-f',
      'source@elsewhere.test',
      '-t',
      'many@postern.test',
      `127.0.0.1:${postern.smtpPort}`,
    ])
    const mailbox = join(directory, 'mail/many')
    await until(() => mailFiles(mailbox).length === MESSAGES, 60)
    giveTo(READER, directory)
    const { stdout } = await run(
      'doveadm',
      ['-c', dovecotConfiguration(directory), 'fetch', 'size.physical', 'ALL'],
      { uid: READER.uid, gid: READER.gid, env: environment(directory), maxBuffer: 10_000_000 },
    )
    assert.equal(stdout.match(/size\.physical: \d+/g)?.length, MESSAGES)
  })

  test('mutt opens a Maildir and shows the message in its index', async () => {
    giveTo(READER, directory)
    const settings = join(directory, 'muttrc')
    writeFileSync(settings, 'set quit=no\nset mbox_type=Maildir\nset folder=~\n')
    const look = `stty rows 50 cols 120; exec mutt -n -R -F ${settings} -f ${directory}/mail/anna`
    const terminal = spawn('script', ['-qec', look, '/dev/null'], {
      uid: READER.uid,
      gid: READER.gid,
      env: environment(directory),
    })
    const seen = await new Promise<string>((resolve) => {
      let screen = ''
      const limit = setTimeout(() => terminal.kill(), 20_000)
      terminal.stdout.on('data', (bytes: Buffer) => {
        screen += bytes.toString()
        if (screen.includes('from swaks')) terminal.kill()
      })
      terminal.once('close', () => {
        clearTimeout(limit)
        resolve(screen)
      })
    })
    assert.match(seen, /from swaks/)
  })
})

/** Dovecot refuses to handle mail as root, so as root its reader is `nobody`. */
const READER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : userInfo()

function giveTo(reader: { readonly uid: number; readonly gid: number }, directory: string): void {
  if (process.getuid?.() !== 0) return
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'dovecot'), { recursive: true })
  for (const tree of ['mail', 'dovecot']) {
    execFileSync('chown', ['-R', `${reader.uid}:${reader.gid}`, join(directory, tree)])
  }
}

function environment(directory: string): NodeJS.ProcessEnv {
  const user = process.getuid?.() === 0 ? 'nobody' : userInfo().username
  return { HOME: join(directory, 'dovecot'), USER: user, PATH: process.env['PATH'], TERM: 'xterm' }
}

function dovecotConfiguration(directory: string): string {
  const state = join(directory, 'dovecot')
  mkdirSync(state, { recursive: true })
  const config = join(directory, 'dovecot.conf')
  const user = process.getuid?.() === 0 ? 'nobody' : userInfo().username
  writeFileSync(
    config,
    `base_dir = ${state}
state_dir = ${state}
log_path = /dev/stderr
default_internal_user = ${user}
default_login_user = ${user}
default_internal_group = ${READER.gid === 65_534 ? 'nogroup' : String(READER.gid)}
first_valid_uid = 1
first_valid_gid = 1
ssl = no
mail_location = maildir:${directory}/mail/many
`,
  )
  return config
}
