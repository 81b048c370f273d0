/**
 * `postern setup`, as root, into directories of its own; the accounts it makes are the host's.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { OPERATORS_GROUP, POSTERN_USERS } from '../../src/contracts/programs.ts'
import { demandRootsOwn } from '../../src/io/release.ts'
import { makeDirectory, removeDirectory } from '../support/postern.ts'

const asRoot = process.getuid?.() === 0
const skip = asRoot ? false : 'only root may make accounts and a release: run the tests as root'
const directory = makeDirectory()
after(() => removeDirectory(directory))

const host = join(directory, 'host')
const command = join(import.meta.dirname, '../../bin/postern')

function setup(...flags: readonly string[]) {
  const done = spawnSync(command, ['setup', '--root', host, ...flags], {
    encoding: 'utf8',
  })
  const steps = done.stdout
    .split('\n')
    .filter((line) => /^(?:right already|done|would be)/.test(line))
  return { code: done.status, output: done.stdout, errors: done.stderr, steps }
}

function idsOf(name: string) {
  const entry = spawnSync('getent', ['passwd', name], { encoding: 'utf8' }).stdout.split(':')
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}

test('a dry run says what would be done and does nothing', { skip }, () => {
  chmodSync(directory, 0o755)
  mkdirSync(host, { mode: 0o755 })
  const { code, steps } = setup('--dry-run')
  assert.equal(code, 0)
  assert.ok(steps.some((step) => step.startsWith('would be done') && step.includes('release')))
  assert.deepEqual(globSync('**', { cwd: host }), ['.'])
})

test('accounts, directories, release, commands and service are made', { skip }, () => {
  mkdirSync(join(host, 'etc/systemd/system'), { recursive: true })
  const { code, steps, errors } = setup()
  assert.equal(code, 0, errors)
  assert.ok(steps.length > 20)
  for (const user of POSTERN_USERS) assert.ok(idsOf(user).uid > 0, user)
  assert.equal(spawnSync('getent', ['group', OPERATORS_GROUP]).status, 0)

  const modeOf = (path: string) => (statSync(join(host, path)).mode & 0o7777).toString(8)
  assert.equal(modeOf('var/spool/postern/queue'), '700')
  assert.equal(modeOf('var/spool/postern/drop'), '3733')
  assert.equal(modeOf('run/postern'), '755')
  const drop = statSync(join(host, 'var/spool/postern/drop'))
  assert.deepEqual({ uid: drop.uid, gid: drop.gid }, idsOf('postern-pickup'))
  assert.equal(statSync(join(host, 'var/spool/postern/queue')).uid, idsOf('postern-queue').uid)

  const current = join(host, 'usr/local/lib/postern/current')
  assert.doesNotThrow(() => demandRootsOwn(realpathSync(join(current, 'dist'))))
  const linkOf = (path: string) => readlinkSync(join(host, path))
  assert.equal(linkOf('usr/local/sbin/sendmail'), '/usr/local/lib/postern/current/bin/sendmail')
  assert.equal(linkOf('usr/local/bin/postern'), '/usr/local/lib/postern/current/bin/postern')
  assert.ok(existsSync(join(host, 'etc/systemd/system/postern.service')))
  assert.equal(readFileSync(join(current, 'drop-directory'), 'utf8'), '/var/spool/postern/drop\n')
})

test('once more, everything is right already', { skip }, () => {
  const { code, steps } = setup()
  assert.equal(code, 0)
  assert.deepEqual(
    steps.filter((step) => !step.startsWith('right already')),
    [],
  )
})

test('the release runs by itself: its own Node.js, its programs, its native package', {
  skip,
}, () => {
  const current = join(host, 'usr/local/lib/postern/current')
  const config = join(host, 'etc/postern/postern.toml')
  const checked = spawnSync(join(current, 'bin/postern'), ['check', '--config', config], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
  })
  assert.equal(checked.status, 0, checked.stdout + checked.stderr)
  const native = spawnSync(
    join(realpathSync(current), 'node'),
    ['-e', `require(${JSON.stringify(join(realpathSync(current), 'node_modules/koffi'))})`],
    { encoding: 'utf8' },
  )
  assert.equal(native.status, 0, native.stderr)
})

test('an ordinary user is told who must do it', () => {
  // As root: somebody else, who may be unable to read the checkout but can always read the release.
  const release = join(host, 'usr/local/lib/postern/current/bin/postern')
  const done = asRoot
    ? spawnSync(release, ['setup'], { encoding: 'utf8', cwd: '/', uid: 65_534, gid: 65_534 })
    : spawnSync(command, ['setup'], { encoding: 'utf8' })
  assert.equal(done.status, 77, done.stderr)
  assert.match(done.stderr, /as root/)
})

test('what has been spoilt is mended, and said', { skip }, () => {
  const drop = join(host, 'var/spool/postern/drop')
  chmodSync(drop, 0o777)
  chownSync(join(host, 'var/spool/postern/queue'), 0, 0)
  const [script = ''] = globSync(join(host, 'usr/local/lib/postern/releases/*/bin/sendmail'))
  writeFileSync(script, '#!/bin/sh\nexit 0\n')
  const { code, steps } = setup()
  assert.equal(code, 0)
  const done = steps.filter((step) => step.startsWith('done'))
  assert.equal(done.length, 3, done.join('\n'))
  assert.equal((statSync(drop).mode & 0o7777).toString(8), '3733')
  assert.match(readFileSync(script, 'utf8'), /drop directory/)
})

test("an administrator's configuration and another mailer's sendmail stay", { skip }, () => {
  const config = join(host, 'etc/postern/postern.toml')
  writeFileSync(config, 'hostname = "other.example.org"\n[paths]\nqueue = "/srv/queue"\n')
  const sendmail = join(host, 'usr/local/sbin/sendmail')
  spawnSync('rm', [sendmail])
  writeFileSync(sendmail, 'another')
  const { code, output } = setup()
  assert.equal(code, 0)
  assert.match(readFileSync(config, 'utf8'), /other\.example/)
  assert.ok(statSync(join(host, 'srv/queue')).isDirectory())
  assert.ok(lstatSync(sendmail).isFile())
  assert.match(output, /sendmail is somebody else's and stays/)
})

test('a wrong configuration is reported before anything is made of it', { skip }, () => {
  writeFileSync(join(host, 'etc/postern/postern.toml'), 'hostname = 5\n')
  const { code, errors } = setup()
  assert.equal(code, 1)
  assert.match(errors, /postern\.toml:1:12: hostname:/)
})
