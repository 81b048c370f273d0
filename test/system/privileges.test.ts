/**
 * The trust table held against running processes: who each program is, and what it can touch.
 *
 * Supervisor and launcher are real; in the other programs' places runs a probe, under the identity and the flags
 * of the program, that tries what a program taken over by a stranger would try.
 */

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { AnyProgram, Privileges } from '../../src/contracts/programs.ts'
import { OPERATORS_GROUP, PROGRAMS } from '../../src/contracts/programs.ts'
import type { TestUser } from '../support/accounts.ts'
import {
  findGroup,
  findUser,
  makePosternAccounts,
  makeTestUser,
  notRoot,
  removeTestUser,
} from '../support/accounts.ts'
import type { FakeSettings, Supervised } from '../support/fake-release.ts'
import {
  askLauncher,
  endSupervisors,
  fakeSettings,
  isAlive,
  isReady,
  makeFakeRelease,
  startSupervisor,
} from '../support/fake-release.ts'
import { makeDirectory, removeDirectory, until } from '../support/postern.ts'

/** What the probe has found possible. */
interface Found {
  readonly passwd: boolean
  readonly release: boolean
  readonly own: boolean
  readonly temporary: boolean
  readonly listen: boolean
  readonly connect: boolean
  readonly child: boolean
  readonly worker: boolean
  readonly sqlite: boolean
  readonly addon: boolean
  readonly root: boolean
  readonly environment: readonly string[]
}

/** An expression that is a promise of Found; `own` is the directory a row may allow. */
const probe = (own: string) => `(async () => {
  const fs = await import('node:fs'); const net = await import('node:net'); const { spawnSync } = await import('node:child_process')
  const can = async (attempt) => { try { await attempt(); return true } catch { return false } }
  const refused = (error) => error.code === 'ERR_ACCESS_DENIED'
  const tcp = (start) => new Promise((resolve, reject) => {
    // Node refuses some of this in a later turn.
    process.once('uncaughtException', reject)
    const one = start(); one.on('error', (error) => refused(error) ? reject(error) : resolve()); one.on('listening', () => one.close(resolve))
  })
  return {
    passwd: await can(() => fs.readFileSync('/etc/passwd')),
    release: await can(() => fs.readFileSync(process.argv[1])),
    own: await can(() => { fs.writeFileSync(${JSON.stringify(own)} + '/probe', 'x'); fs.readFileSync(${JSON.stringify(own)} + '/probe') }),
    temporary: await can(() => fs.writeFileSync('/tmp/postern-probe-' + process.pid, 'x')),
    listen: await can(() => tcp(() => net.createServer().listen(0, '127.0.0.1'))),
    connect: await can(() => tcp(() => net.connect(1, '127.0.0.1'))),
    child: await can(() => { const done = spawnSync('/bin/true'); if (done.error) throw done.error }),
    worker: await can(async () => { const { Worker } = await import('node:worker_threads'); await new Worker('', { eval: true }).terminate() }),
    sqlite: await can(async () => { const { DatabaseSync } = await import('node:sqlite'); new DatabaseSync(':memory:').close() }),
    addon: await can(() => { try { process.dlopen({ exports: {} }, '/nonexistent.node') } catch (error) { if (error.code === 'ERR_DLOPEN_DISABLED') throw error } }),
    root: await can(() => process.setuid(0)),
    environment: Object.keys(process.env).sort(),
  }
})()`

/** What a row allows. */
function allowed(row: Privileges): Omit<Found, 'environment'> {
  return {
    passwd: false,
    release: true,
    own: row.writes.length > 0,
    temporary: false,
    listen: row.network,
    connect: row.network,
    child: row.children,
    worker: false,
    sqlite: row.sqlite,
    addon: row.addons,
    root: row.user === 'root',
  }
}

let directory = ''
let probing = ''
let launching = ''
let joe: TestUser
let settings: FakeSettings
let config = ''

before(async () => {
  if (notRoot !== false) return
  makePosternAccounts()
  joe = makeTestUser()
  directory = makeDirectory()
  chmodSync(directory, 0o755)
  probing = await makeFakeRelease(['supervisor'])
  launching = await makeFakeRelease(['supervisor', 'launcher'])
  settings = fakeSettings(directory)
  config = join(directory, 'postern.toml')
  for (const name of ['queue', 'drop'] as const) {
    const { uid, gid } = findUser(name === 'queue' ? 'postern-queue' : 'postern-pickup')
    mkdirSync(settings.supervisor.paths[name], { mode: 0o700 })
    chownSync(settings.supervisor.paths[name], uid, gid)
  }
})
afterEach(endSupervisors)
after(() => {
  if (notRoot !== false) return
  for (const each of [directory, probing, launching]) removeDirectory(each)
  removeTestUser(joe)
})

async function start(release: string): Promise<Supervised> {
  writeFileSync(config, JSON.stringify(settings))
  rmSync(join(settings.supervisor.paths.run, 'ready'), { force: true })
  const supervised = startSupervisor(release, config, true)
  await until(() => isReady(settings) || supervised.process.exitCode !== null, 30)
  assert.equal(supervised.process.exitCode, null, supervised.log())
  return supervised
}

/** Real, effective, saved and file system ids are all the same, and there are no other groups. */
function assertIdentity(pid: number, uid: number, gid: number): void {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1]
  assert.deepEqual(
    [field('Uid'), field('Gid'), field('Groups')],
    [Array(4).fill(uid).join('\t'), Array(4).fill(gid).join('\t'), ''],
  )
}

/** No file of anybody's is open: pipes, sockets and what Node itself needs. */
function assertNothingOpen(pid: number): void {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '/dev/null'
    }
  })
  const files = links.filter(
    (link) => !/^(socket|pipe|anon_inode):|^\/dev\/(null|urandom)$/.test(link),
  )
  assert.deepEqual(files, [])
}

function argv0(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? ''
}

test('each program runs under its account and can touch what its row allows, no more', {
  skip: notRoot,
}, async () => {
  const owned: Readonly<Record<string, string>> = {
    queue: settings.supervisor.paths.queue,
    pickup: settings.supervisor.paths.drop,
  }
  for (const name of Object.keys(settings.parts)) {
    const code = probe(owned[name] ?? settings.supervisor.paths.queue)
    settings.parts[name] = { do: `io.say('probe ${name} ' + JSON.stringify(await ${code}))` }
  }
  const supervised = await start(probing)
  for (const name of Object.keys(settings.parts) as AnyProgram[]) {
    const line = new RegExp(`^probe ${name} (.*)$`, 'm')
    await until(() => line.test(supervised.log()), 20)
    const { environment, ...found } = JSON.parse(line.exec(supervised.log())?.[1] ?? '') as Found
    assert.deepEqual(found, allowed(PROGRAMS[name]), name)
    const known = ['LC_ALL', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'PATH', 'TZ']
    assert.deepEqual(
      environment.filter((each) => !known.includes(each)),
      [],
      name,
    )
    const [pid = 0] = supervised.pids(name)
    const { uid, gid } = findUser(PROGRAMS[name].user)
    if (PROGRAMS[name].user !== 'root') assertIdentity(pid, uid, gid)
    assertNothingOpen(pid)
    assert.equal(argv0(pid), `postern: ${name}`)
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/')
  }
  const doors = ['operators.sock', 'public.sock'].map((name) =>
    statSync(join(settings.supervisor.paths.run, name)),
  )
  assert.deepEqual(
    doors.map(({ mode, uid, gid }) => [mode & 0o777, uid, gid]),
    [
      [0o660, 0, findGroup(OPERATORS_GROUP)],
      [0o666, 0, 0],
    ],
  )
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
})

test('the settings program owns nothing and sees the text alone', { skip: notRoot }, async () => {
  for (const name of Object.keys(settings.parts)) settings.parts[name] = {}
  const code = `
import { readFileSync } from 'node:fs'
const answer = JSON.parse(readFileSync(0))
const found = await ${probe(settings.supervisor.paths.queue)}
const message = JSON.stringify({ found, uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(), directory: process.argv[2] })
answer.warnings.push({ line: 1, column: 1, setting: 'probe', message })
process.stdout.write(JSON.stringify(answer))
`
  const file = join(probing, 'settings.mjs')
  const usual = readFileSync(file)
  writeFileSync(file, code)
  const supervised = await start(probing)
  writeFileSync(file, usual)
  const line = /warning about="((?:[^"\\]|\\.)*)"/.exec(supervised.log())?.[1] ?? ''
  const text = JSON.parse(`"${line}"`) as string
  // The log cuts long values; the beginning has what matters.
  assert.match(
    text,
    /^.*:1:1: probe: \{"found":\{"passwd":false,"release":true,"own":false,"temporary":false,"listen":false,"connect":false,"child":false,"worker":false,"sqlite":false,"addon":false,"root":false/,
  )
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
})

test('an agent runs as the recipient, in the recipient’s place, without any other group', {
  skip: notRoot,
}, async () => {
  const maildirs = join(directory, 'maildirs')
  const spool = join(directory, 'spool')
  mkdirSync(maildirs)
  chownSync(maildirs, joe.uid, joe.gid)
  mkdirSync(spool)
  chownSync(spool, 0, findGroup('mail'))
  chmodSync(spool, 0o2775)
  settings.parts['launcher'] = {
    hostname: 'postern.test',
    mailboxGroups: { 'shop.test': { root: `${maildirs}/`, user: joe.name } },
    systemAccounts: [],
    spool,
    agents: 10,
  }
  const agents = [
    { kind: 'account', name: joe.name, place: joe.home },
    { kind: 'spool', name: joe.name, place: spool },
    { kind: 'mailboxes', name: 'shop.test', place: maildirs },
    { kind: 'account', name: 'root', place: '' },
    { kind: 'account', name: 'postern-queue', place: '' },
    { kind: 'account', name: 'daemon', place: '' },
    { kind: 'account', name: 'no-such-account', place: '' },
  ] as const
  const requests = agents.map(({ kind, name }, at) => ({
    type: 'agent',
    agent: { kind, name },
    token: at + 1,
  }))
  settings.parts['queue'] = { greet: false, do: askLauncher(requests) }
  writeFileSync(
    join(launching, 'local.mjs'),
    `
import { Socket } from 'node:net'
const told = JSON.parse(process.argv[2])
const socket = new Socket({ fd: 3, readable: true, writable: true })
socket.on('close', () => process.exit(0))
socket.on('data', async () => {
  const found = await (${`(own) => ${probe('/OWN')}`.replaceAll('"/OWN"', 'own')})(told.spool ?? told.home)
  const others = await (${`(own) => ${probe('/OWN')}`.replaceAll('"/OWN"', 'own')})(${JSON.stringify(directory)})
  socket.write(JSON.stringify({ pid: process.pid, told, found, others: others.own }))
})
`,
  )
  const supervised = await start(launching)
  const pids: number[] = []
  for (const [at, { kind, name, place }] of agents.entries()) {
    if (place === '') {
      await until(
        () => supervised.log().includes(`answer ${at + 1} {"kind":"failed","status":"5.1.1"`),
        20,
      )
      continue
    }
    const line = new RegExp(`^agent ${at + 1} (.*)$`, 'm')
    await until(() => line.test(supervised.log()), 20)
    const said = JSON.parse(line.exec(supervised.log())?.[1] ?? '')
    const { environment, ...found } = said.found as Found
    assert.deepEqual(found, allowed(PROGRAMS[kind]), kind)
    assert.equal(said.others, false)
    assert.deepEqual(
      environment.filter((each) => !/^(LC_ALL|PATH|TZ|UV_THREADPOOL_SIZE)$/.test(each)),
      [],
    )
    assertIdentity(said.pid, joe.uid, kind === 'spool' ? findGroup('mail') : joe.gid)
    assertNothingOpen(said.pid)
    assert.equal(argv0(said.pid), `postern: local ${name}`)
    pids.push(said.pid)
  }
  assert.equal(pids.length, 3)
  // A launcher that dies takes no agent with it.
  const launcher = Number(
    readFileSync(`/proc/${pids[0]}/status`, 'utf8').match(/^PPid:\s+(\d+)/m)?.[1],
  )
  process.kill(launcher, 'SIGKILL')
  await until(() => /program-ended program=launcher/.test(supervised.log()), 10)
  assert.ok(pids.every(isAlive))
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
  await until(() => !pids.some(isAlive), 10)
})

test('as root, a release that others could change is not started', { skip: notRoot }, async () => {
  writeFileSync(config, JSON.stringify(settings))
  chmodSync(join(probing, 'queue.mjs'), 0o666)
  const supervised = startSupervisor(probing, config, true)
  assert.equal(await supervised.ended, 78)
  assert.match(supervised.log(), /queue\.mjs can be written by others than root: .*postern setup/)
  chmodSync(join(probing, 'queue.mjs'), 0o644)
})
