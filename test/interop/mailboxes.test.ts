/**
 * Mailboxes shared with other programs: Dovecot and mutt write to the same mbox at the same time, and
 * read the Maildirs.
 *
 * Dovecot refuses to handle mail as root, so as root this whole process becomes `nobody` first.
 */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { native } from '../../src/io/native.ts'
import type { Agent } from '../../src/programs/local/agent.ts'
import { makeAgent } from '../../src/programs/local/agent.ts'
import { deliver } from '../../src/programs/local/deliver.ts'
import { Inbox } from '../../src/programs/local/inbox.ts'
import { needs } from '../support/debian.ts'

const EACH = 20
const LDA = '/usr/lib/dovecot/dovecot-lda'
const NOBODY = 65_534

const missing = await needs('dovecot-core', 'mutt')
// Loaded while everything can still be read.
await native()
const home = mkdtempSync(join(tmpdir(), 'postern-interop-'))
if (process.getuid?.() === 0) {
  chownSync(home, NOBODY, NOBODY)
  process.setgroups?.([])
  process.setgid?.(NOBODY)
  process.setuid?.(NOBODY)
}
after(() => rmSync(home, { recursive: true, force: true }))
const user = userInfo()
const environment = { HOME: home, USER: user.username, PATH: process.env['PATH'], TERM: 'xterm' }

function dovecotConfiguration(location: string): string {
  const path = join(home, `dovecot-${location.split(':')[0]}.conf`)
  const lines = [
    `base_dir = ${home}/run`,
    `state_dir = ${home}/state`,
    `mail_location = ${location}`,
    'mbox_write_locks = dotlock fcntl',
    'postmaster_address = postmaster@mx.test',
    'ssl = no',
    'log_path = /dev/stderr',
    `mail_uid = ${user.uid}`,
    `mail_gid = ${user.gid}`,
    'first_valid_uid = 1',
    'first_valid_gid = 1',
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

const MUTT_SETTINGS = [
  'set sendmail=/bin/true',
  // Otherwise it asks whether to make ~/Mail, and waits.
  'set folder=~',
  'set use_from=no',
  'set confirmappend=no confirmcreate=no quit=yes move=no delete=no',
  'set wait_key=no mark_old=no fcc_clear=yes',
]

function muttConfiguration(more: readonly string[] = []): string {
  const path = join(home, 'muttrc')
  writeFileSync(path, `${[...MUTT_SETTINGS, ...more].join('\n')}\n`)
  return path
}

function run(command: string, args: readonly string[], input?: string): Promise<string> {
  return runFully(command, args, input).then(({ stdout }) => stdout)
}

function runFully(
  command: string,
  args: readonly string[],
  input: string | undefined,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, cwd: home, timeout: 60_000 }
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr })
      else reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stderr}`))
    })
    // An end of input would be a key to mutt, and keys interrupt what it was told to do.
    if (input !== undefined) child.stdin?.end(input)
  })
}

/** Stores a message by mutt's `record`. It asks for the locks five times, once a second, then gives up. */
async function muttStores(configuration: string, subject: string): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) {
    const args = ['-n', '-F', configuration, '-s', subject, '--', 'x@y.test']
    const { stdout, stderr } = await runFully('mutt', args, body(subject))
    if (!`${stdout}${stderr}`.includes('failed')) return
  }
  throw new Error('mutt has never had the locks')
}

/** The subjects in mutt's index, drawn on a terminal large enough for all of it. */
async function muttSees(mailbox: string, count: number): Promise<readonly string[]> {
  const look = `stty rows 50 cols 120; exec mutt -n -R -F ${muttConfiguration()} -f ${mailbox}`
  const child = spawn('script', ['-qec', look, '/dev/null'], { env: environment, cwd: home })
  const limit = setTimeout(() => child.kill(), 20_000)
  const seen = new Set<string>()
  let screen = ''
  for await (const bytes of child.stdout) {
    screen += String(bytes)
    for (const subject of screen.match(/postern-[0-9]+\b/g) ?? []) seen.add(subject)
    if (seen.size >= count) break
  }
  clearTimeout(limit)
  child.kill()
  assert.ok(seen.size > 0, screen)
  return [...seen].sort()
}

async function postern(agent: Agent, mailbox: string, content: string): Promise<void> {
  const inbox = new Inbox(content.length)
  inbox.push(Buffer.from(content))
  inbox.complete()
  const request = {
    type: 'deliver',
    queueId: 'Q',
    reversePath: 'sender@example.net',
    size: content.length,
    recipients: [{ recipient: 0, address: 'joe@mx.test', mailbox, create: true }],
  } as const
  const said: string[] = []
  await deliver(agent, request, {
    inbox,
    queue: {
      grant: () => undefined,
      record: ({ outcome }) => said.push(`${outcome.kind} ${outcome.text}`),
    },
  })
  assert.deepEqual(said, [`delivered stored in ${mailbox}`])
}

/** One after another, so that the writers and not the messages of one writer compete. */
async function writer(name: string, write: (subject: string) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < EACH; n += 1) await write(`${name}-${n}`)
}

const numbers = Array.from({ length: EACH }, (_, n) => n)
const expected = ['postern', 'dovecot', 'mutt']
  .flatMap((name) => numbers.map((n) => `${name}-${n}`))
  .sort()
const subjectsOf = (text: string) =>
  [...text.matchAll(/^(?:hdr\.subject|Subject): (.*)$/gm)].map((match) => match[1] ?? '').sort()
const body = (subject: string) =>
  `body of ${subject}\nFrom the heart of ${subject}\nend ${subject}\n`
const agent = makeAgent({ release: 'test', home, hostname: 'mx.test' })

test('Postern, Dovecot and mutt write to one mbox at the same time, and all is there', async (t) => {
  if (missing !== undefined) return t.skip(missing)
  const dovecot = dovecotConfiguration('mbox:~/mail:INBOX=~/Mailbox')
  const mutt = muttConfiguration([`set record=${home}/Mailbox`, 'set copy=yes'])
  await Promise.all([
    writer('postern', (subject) =>
      postern(agent, 'Mailbox', `Subject: ${subject}\n\n${body(subject)}`),
    ),
    writer('dovecot', (subject) =>
      run(LDA, ['-c', dovecot, '-f', 'a@b.c'], `Subject: ${subject}\n\n${body(subject)}`),
    ),
    writer('mutt', (subject) => muttStores(mutt, subject)),
  ])
  const mbox = readFileSync(join(home, 'Mailbox'), 'utf8')
  const messages = mbox.split(/^From (?=[^\n]*\d{2}:\d{2}:\d{2} )/m).slice(1)
  assert.deepEqual(messages.flatMap(subjectsOf).sort(), expected)
  for (const message of messages) {
    const [subject = ''] = subjectsOf(message)
    assert.ok(message.replaceAll(/^>From /gm, 'From ').includes(body(subject)), message)
    assert.ok(message.endsWith('\n\n'), message)
  }
  const listed = await run('doveadm', ['-c', dovecot, 'fetch', 'hdr.subject', 'ALL'])
  assert.deepEqual(subjectsOf(listed), expected)
  assert.equal(existsSync(join(home, 'Mailbox.lock')), false)
})

test('while Dovecot rewrites an mbox for its reader, deliveries lose nothing', async (t) => {
  if (missing !== undefined) return t.skip(missing)
  const dovecot = dovecotConfiguration('mbox:~/mail2:INBOX=~/Busy')
  const fetch = () => run('doveadm', ['-c', dovecot, 'fetch', 'hdr.subject', 'ALL'])
  await postern(agent, 'Busy', `Subject: first\n\n${body('first')}`)
  await Promise.all([
    writer('postern', (subject) =>
      postern(agent, 'Busy', `Subject: ${subject}\n\n${body(subject)}`),
    ),
    writer('reader', fetch),
  ])
  const delivered = ['first', ...numbers.map((n) => `postern-${n}`)]
  assert.deepEqual(subjectsOf(await fetch()), delivered.sort())
})

test('Dovecot and mutt read the Maildirs, names and sizes included', async (t) => {
  if (missing !== undefined) return t.skip(missing)
  await writer('postern', (subject) =>
    postern(agent, 'Maildir/', `Subject: ${subject}\n\n${body(subject)}`),
  )
  for (const name of readdirSync(join(home, 'Maildir/new'))) {
    const size = statSync(join(home, 'Maildir/new', name)).size
    assert.ok(name.endsWith(`,S=${size}`), name)
  }
  const subjects = numbers.map((n) => `postern-${n}`).sort()
  assert.deepEqual(await muttSees(`${home}/Maildir`, subjects.length), subjects)
  const dovecot = dovecotConfiguration('maildir:~/Maildir')
  const listed = await run('doveadm', ['-c', dovecot, 'fetch', 'hdr.subject', 'ALL'])
  assert.deepEqual(subjectsOf(listed), subjects)
})
