/**
 * The whole system as an administrator installs it: a release made by `postern setup`, every program under its own
 * account, mail for real accounts of this host. Holds the real processes against the trust table.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { AnyProgram, Place } from '../../src/contracts/programs.ts'
import { OPERATORS_GROUP, PROGRAMS } from '../../src/contracts/programs.ts'
import type { TestUser } from '../support/accounts.ts'
import { findGroup, findUser, makeTestUser, notRoot, removeTestUser } from '../support/accounts.ts'
import { bodyDigest, sendLargeMessage } from '../support/large-message.ts'
import type { Postern } from '../support/postern.ts'
import {
  mailFiles,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { withSession } from '../support/smtp-client.ts'

const NOBODY = 65_534
const LARGE = 50 * 1_000_000
const DOMAIN = 'postern.test'

suite('installed and separated', { skip: notRoot }, () => {
  const directory = makeDirectory()
  const current = join(directory, 'lib/postern/current')
  const config = join(directory, 'postern.toml')
  /** An ordinary user, an operator, and one who owns virtual mailboxes. */
  let joe: TestUser
  let olga: TestUser
  let vera: TestUser
  let postern: Postern

  const settings = (deliver: string) => `hostname = "${DOMAIN}"
[listen]
smtp = ["127.0.0.1:0"]
[paths]
queue = "${directory}/queue"
drop = "${directory}/drop"
run = "${directory}/run"
[domains."${DOMAIN}"]
[domains."virtual.test"]
maildir = "${directory}/mail/{local}/"
user = "${vera.name}"
create = true
[local]
deliver = "${deliver}"
[limits]
message_size = "60MB"
`
  const start = async (deliver: string) => {
    const separated = { release: join(current, 'dist') }
    postern = await startPostern({ directory, settings: settings(deliver), separated })
  }

  before(async () => {
    joe = makeTestUser('a', '')
    olga = makeTestUser('b', OPERATORS_GROUP)
    vera = makeTestUser('c', '')
    chmodSync(directory, 0o755)
    mkdirSync(join(directory, 'mail'))
    chownSync(join(directory, 'mail'), vera.uid, vera.gid)
    writeFileSync(config, settings('Maildir/'))
    const bin = join(import.meta.dirname, '../../bin/postern')
    const words = ['setup', '--prefix', directory, '--config', config, '--no-links', '--no-service']
    const done = spawnSync(bin, words, { encoding: 'utf8' })
    assert.equal(done.status, 0, done.stderr)
    await start('Maildir/')
  })

  after(async () => {
    // An account with processes cannot be removed.
    await postern?.stop()
    for (const user of [joe, olga, vera]) {
      rmSync(`/var/mail/${user.name}`, { force: true })
      removeTestUser(user)
    }
    removeDirectory(directory)
  })

  const send = (to: readonly string[], subject: string) =>
    withSession(postern.smtpPort, async (client) => {
      const content = `Subject: ${subject}\n\nbody\n`
      const reply = await client.send({ from: 'a@sender.test', to, content })
      assert.equal(reply.code, 250, reply.lines.join())
    })

  /** A command of the release, as somebody, with the groups of that account. */
  const runAs = (name: string, command: string, words: readonly string[], input = '') =>
    spawnSync('/usr/sbin/runuser', ['-u', name, '--', join(current, 'bin', command), ...words], {
      input,
      encoding: 'utf8',
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
    })

  test('mail for an account lies in its Maildir, owned by it and closed to others', async () => {
    await send([`${joe.name}@${DOMAIN}`], 'to an account')
    const maildir = join(joe.home, 'Maildir')
    await until(() => mailFiles(maildir).length === 1, 20)
    for (const name of ['', 'tmp', 'new', 'cur']) {
      assert.deepEqual(ownership(join(maildir, name)), [joe.uid, joe.gid, '700'])
    }
    for (const file of mailFiles(maildir)) {
      assert.deepEqual(ownership(file), [joe.uid, joe.gid, '600'])
      assert.match(readFileSync(file, 'utf8'), /^Return-Path: <a@sender\.test>\nDelivered-To: /)
    }
  })

  test('virtual mailboxes belong to the user of their domain', async () => {
    await send(['shop@virtual.test', 'info@virtual.test'], 'to virtual mailboxes')
    await until(() => mailFiles(join(directory, 'mail')).length === 2, 20)
    const found = globSync('{shop,info}{,/**/*}', { cwd: join(directory, 'mail') })
    assert.ok(found.length >= 10)
    for (const path of found) {
      const [uid, gid] = ownership(join(directory, 'mail', path))
      assert.deepEqual([uid, gid], [vera.uid, vera.gid], path)
    }
    for (const file of mailFiles(join(directory, 'mail'))) assert.equal(ownership(file)[2], '600')
  })

  test('accounts that have no mail are refused at RCPT', async () => {
    await withSession(postern.smtpPort, async (client) => {
      await client.expect('MAIL FROM:<a@sender.test>', 250)
      for (const name of ['no-such-account', 'root', 'postern-queue', 'daemon', '0', 'nobody']) {
        const reply = await client.command(`RCPT TO:<${name}@${DOMAIN}>`)
        assert.match(reply.lines.join(), /^550 5\.1\.1 /, name)
      }
      await client.expect(`RCPT TO:<${joe.name}@${DOMAIN}>`, 250)
    })
  })

  test('what two users hand to sendmail is delivered, and says who they were', async () => {
    for (const [from, to] of [
      [joe, olga],
      [olga, joe],
    ] as const) {
      const subject = `from ${from.name}`
      const before = mailFiles(join(to.home, 'Maildir')).length
      const done = runAs(from.name, 'sendmail', [to.name], `Subject: ${subject}\n\nhello\n`)
      assert.equal(done.status, 0, done.stderr)
      await until(() => mailFiles(join(to.home, 'Maildir')).length === before + 1, 20)
      const texts = mailFiles(join(to.home, 'Maildir')).map((file) => readFileSync(file, 'utf8'))
      const text = texts.find((each) => each.includes(`Subject: ${subject}\n`)) ?? ''
      assert.match(text, new RegExp(`^Return-Path: <${from.name}@postern\\.test>\n`))
      assert.match(
        text,
        new RegExp(`^Received: by postern\\.test \\(Postern, from userid ${from.uid}\\)`, 'm'),
      )
    }
    await until(() => readdirSync(join(directory, 'drop')).length === 0, 20)
  })

  test('nobody may ask for the status and for no more; a member of the group may do all', async () => {
    const status = runAs('nobody', 'postern', ['status', '--json', '--config', config])
    assert.equal(status.status, 0, status.stderr)
    assert.equal(typeof JSON.parse(status.stdout).messages, 'number')
    const list = runAs('nobody', 'postern', ['queue', 'list', '--config', config])
    assert.equal(list.status, 77)
    assert.match(list.stderr, /members of the group postern/)
    assert.equal(runAs(joe.name, 'postern', ['queue', 'list', '--config', config]).status, 77)
    const operator = runAs(olga.name, 'postern', ['queue', 'list', '--json', '--config', config])
    assert.equal(operator.status, 0, operator.stderr)
    const none = runAs(olga.name, 'postern', [
      'queue',
      'remove',
      '--id',
      'NONE',
      '--config',
      config,
    ])
    assert.match(none.stdout, /^0 recipients removed/)
    const drop = spawnSync('ls', [join(directory, 'drop')], { uid: NOBODY, gid: NOBODY })
    assert.notEqual(drop.status, 0, 'the drop directory cannot be listed')
  })

  test('a message of 50 MB reaches an account and a virtual mailbox whole', async () => {
    const before = mailFiles(joe.home).length
    const to = [`${joe.name}@${DOMAIN}`, 'large@virtual.test']
    const digest = await sendLargeMessage(postern.smtpPort, to, LARGE)
    await until(() => mailFiles(joe.home).length === before + 1, 120)
    await until(() => mailFiles(join(directory, 'mail/large')).length === 1, 120)
    const files = [...mailFiles(joe.home), ...mailFiles(join(directory, 'mail/large'))]
    const large = files.filter((file) => statSync(file).size > LARGE / 2)
    assert.equal(large.length, 2)
    for (const file of large) assert.equal(await bodyDigest(file), digest)
  })

  /** The directories a place stands for here. */
  const directoryOf = (place: Place, user: TestUser) =>
    ({
      queue: join(directory, 'queue'),
      drop: join(directory, 'drop'),
      home: user.home,
      maildirs: join(directory, 'mail'),
      spool: '/var/mail',
      resolver: '/etc/resolv.conf',
    })[place]

  const assertWithinRow = (pid: number, program: AnyProgram, user: TestUser) => {
    const { writes, reads, ...row } = PROGRAMS[program]
    const gid = 'group' in row ? findGroup(row.group) : user.gid
    assertIdentity(pid, { uid: user.uid, gid })
    const allowed = [...reads, ...writes].map((place) => directoryOf(place, user))
    const outside = openFiles(pid).filter(
      (file) => !allowed.some((each) => file === each || file.startsWith(`${each}/`)),
    )
    assert.deepEqual(outside, [], program)
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/')
  }

  test('every running program is who the trust table says, and holds no file beyond its row', async () => {
    await send([`${joe.name}@${DOMAIN}`, 'shop@virtual.test'], 'so that agents run')
    await until(() => postern.pids(`local ${joe.name}`).length === 1, 20)
    await until(() => postern.pids('local virtual.test').length === 1, 20)
    const programs = ['queue', 'launcher', 'receiver', 'pickup', 'remote', 'console'] as const
    for (const program of programs) {
      const pids = postern.pids(program)
      assert.equal(pids.length, program === 'receiver' ? 2 : 1, program)
      for (const pid of pids) assertWithinRow(pid, program, findUser(PROGRAMS[program].user))
    }
    for (const pid of postern.pids(`local ${joe.name}`)) assertWithinRow(pid, 'account', joe)
    for (const pid of postern.pids('local virtual.test')) assertWithinRow(pid, 'mailboxes', vera)
    const [queue = 0] = postern.pids('queue')
    assert.ok(openFiles(queue).some((file) => file.startsWith(`${directory}/queue/`)))
    const roots = postern.pids('').filter((pid) => /^Uid:\t0\t/m.test(statusOf(pid)))
    assert.deepEqual(roots, postern.pids('launcher'), 'beside the supervisor only the launcher')
  })

  test('an mbox in the home is its owner’s', async () => {
    await postern.stop()
    await start('Mailbox')
    await send([`${joe.name}@${DOMAIN}`], 'to an mbox')
    const mbox = join(joe.home, 'Mailbox')
    await until(() => sizeOf(mbox) > 0 && !exists(`${mbox}.lock`), 20)
    assert.match(
      readFileSync(mbox, 'utf8'),
      /^From a@sender\.test .*\nReturn-Path: [^]*\n\nbody\n\n$/,
    )
    assert.deepEqual(ownership(mbox), [joe.uid, joe.gid, '600'])
  })

  test('a mailbox in the spool belongs to its owner and group mail, made by an agent of that group', async () => {
    await postern.stop()
    await start('/var/mail/{account}')
    await send([`${joe.name}@${DOMAIN}`], 'to the spool')
    const spool = `/var/mail/${joe.name}`
    await until(() => sizeOf(spool) > 0 && !exists(`${spool}.lock`), 20)
    assert.match(
      readFileSync(spool, 'utf8'),
      /^From a@sender\.test .*\nReturn-Path: [^]*\n\nbody\n\n$/,
    )
    assert.deepEqual(ownership(spool), [joe.uid, findGroup('mail'), '660'])
    const agents = postern.pids(`local ${joe.name}`)
    assert.equal(agents.length, 1)
    for (const pid of agents) assertWithinRow(pid, 'spool', joe)
  })

  test('TERM ends every process of every account', async () => {
    const pids = ['', 'supervisor'].flatMap((program) => postern.pids(program))
    assert.ok(pids.length >= 8)
    assert.equal(await postern.stop(), 0)
    await until(() => !pids.some((pid) => exists(`/proc/${pid}`)), 20)
  })
})

/** Owner, group, and the permission bits. */
function ownership(path: string): readonly [number, number, string] {
  const { uid, gid, mode } = statSync(path)
  return [uid, gid, (mode & 0o7777).toString(8)]
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8')
}

/** Real, effective, saved and file system ids are all the same, no other groups, no capabilities but root's. */
function assertIdentity(
  pid: number,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): void {
  const status = statusOf(pid)
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1]
  assert.equal(field('Uid'), Array(4).fill(uid).join('\t'))
  assert.equal(field('Gid'), Array(4).fill(gid).join('\t'))
  if (uid === 0) return
  assert.equal(field('Groups'), '')
  for (const name of ['CapEff', 'CapPrm']) assert.match(field(name) ?? '', /^0+$/, name)
}

/** Pipes, sockets and what Node itself needs aside. */
function openFiles(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`)
      } catch {
        return '/dev/null'
      }
    })
    .filter((link) => !/^(socket|pipe|anon_inode):|^\/dev\/(null|urandom)$/.test(link))
}
