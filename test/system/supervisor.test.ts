/**
 * The supervisor, real, over fake programs that misbehave in every way a program can.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import type { FakeSettings, Supervised } from '../support/fake-release.ts'
import {
  askLauncher,
  endSupervisors,
  fakeSettings,
  isAlive,
  isReady,
  makeFakeRelease,
  peakSize,
  startSupervisor,
} from '../support/fake-release.ts'
import { makeDirectory, removeDirectory, until } from '../support/postern.ts'

const asRoot = process.getuid?.() === 0
const EVERYONE = ['queue', 'launcher', 'receiver', 'pickup', 'remote', 'console']
/** Megabytes the supervisor may have resident at most, whatever is thrown at it. */
const MOST_RESIDENT = 400

let release = ''
let directory = ''
let config = ''
let settings: FakeSettings

before(async () => {
  release = await makeFakeRelease(['supervisor'])
})
after(() => removeDirectory(release))
beforeEach(() => {
  directory = makeDirectory()
  config = join(directory, 'postern.toml')
  settings = fakeSettings(directory)
})
afterEach(async () => {
  await endSupervisors()
  removeDirectory(directory)
})

function write(answer: unknown = settings): void {
  writeFileSync(config, JSON.stringify(answer))
}

/** Starts, and waits until every program is ready. */
async function start(): Promise<Supervised> {
  write()
  const supervised = startSupervisor(release, config)
  await until(() => isReady(settings) || supervised.process.exitCode !== null, 20)
  assert.equal(supervised.process.exitCode, null, supervised.log())
  // What they have said comes on other pipes than that they are ready.
  const { receivers, log } = settings.supervisor
  const partners = EVERYONE.length - 2 + receivers
  if (!('path' in log.to)) await until(() => heard(supervised).length >= partners, 10)
  return supervised
}

/** What partners have said to the queue. */
function heard(supervised: Supervised): readonly string[] {
  return [...supervised.log().matchAll(/^queue hears (\w+) is here/gm)].map(
    (match) => match[1] ?? '',
  )
}

/** Starts what is to fail. */
async function startAndFail(): Promise<{ readonly code: number | null; readonly log: string }> {
  const supervised = startSupervisor(release, config)
  return { code: await supervised.ended, log: supervised.log() }
}

function count(supervised: Supervised, pattern: RegExp): number {
  return [...supervised.log().matchAll(new RegExp(pattern, 'gm'))].length
}

function listening(): readonly {
  readonly kind: string
  readonly address: string
  readonly port: number
}[] {
  return JSON.parse(readFileSync(join(settings.supervisor.paths.run, 'listening.json'), 'utf8'))
}

/** Nobody of these is alive any more. */
async function allGone(pids: readonly number[]): Promise<void> {
  await until(() => !pids.some(isAlive), 15)
}

function assertSmall(supervised: Supervised): void {
  const size = peakSize(supervised.process.pid)
  assert.ok(size < MOST_RESIDENT, `${size} MB`)
}

const latest = (supervised: Supervised) =>
  EVERYONE.flatMap((program) => supervised.pids(program).slice(-1))

async function hup(supervised: Supervised, expected: RegExp): Promise<void> {
  const already = count(supervised, expected)
  supervised.process.kill('SIGHUP')
  await until(() => count(supervised, expected) > already, 15)
}

test('every program is started, connected to the queue and given its doors; TERM ends all', async () => {
  settings.supervisor.receivers = 2
  const supervised = await start()
  const log = supervised.log()
  for (const program of EVERYONE.slice(1))
    assert.match(log, new RegExp(`queue hears ${program} is here`))
  assert.equal(supervised.pids('receiver').length, 2)
  assert.match(log, /receiver\.1 begins as \d+ \[\{"fd":6,"kind":"smtp","name":"127.0.0.1:0"\}\]/)
  assert.match(
    log,
    /console\.0 begins as \d+ \[\{"fd":6,"kind":"operators".*\{"fd":7,"kind":"everyone"/,
  )
  const run = settings.supervisor.paths.run
  assert.equal(
    readFileSync(join(run, 'supervisor.pid'), 'utf8').trim(),
    `${supervised.process.pid}`,
  )
  assert.deepEqual(
    listening().map((door) => door.kind),
    ['smtp', 'operators', 'everyone'],
  )
  assert.ok((listening()[0]?.port ?? 0) > 0)
  const modes = ['operators.sock', 'public.sock'].map(
    (name) => statSync(join(run, name)).mode & 0o777,
  )
  assert.deepEqual(modes, [0o600, 0o666])
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
  assert.match(
    supervised.log(),
    /receiver finishes[\s\S]*queue finishes[\s\S]*supervisor - stopped/,
  )
  assert.deepEqual(readdirSync(run), [])
  await allGone(latest(supervised))
})

test('a program that dies is started again with back-off while the others go on', async () => {
  const supervised = await start()
  for (const [round, delay] of [0, 1, 2].entries()) {
    process.kill(supervised.pids('pickup').at(-1) ?? 0, 'SIGKILL')
    await until(() => count(supervised, /^pickup hears hello/) === round + 2, 10)
    const line = `program-ended program=pickup index=0 how=SIGKILL restartAfter=${delay}$`
    assert.equal(count(supervised, new RegExp(line)), 1, supervised.log())
  }
  for (const program of ['queue', 'launcher', 'receiver'])
    assert.equal(supervised.pids(program).length, 1)
})

test('when the queue dies, all others are renewed with it, also one that does not leave', async () => {
  settings.parts['remote'] = { stubborn: true }
  const supervised = await start()
  const before = latest(supervised)
  process.kill(supervised.pids('queue')[0] ?? 0, 'SIGKILL')
  for (const program of EVERYONE.slice(1)) {
    await until(() => count(supervised, new RegExp(`^queue hears ${program} is here`)) === 2, 15)
  }
  for (const program of EVERYONE) assert.equal(supervised.pids(program).length, 2, program)
  await allGone(before)
})

test('a queue that fails again and again keeps nobody from coming back, and no descriptor open', async () => {
  const supervised = await start()
  const fds = () => readdirSync(`/proc/${supervised.process.pid}/fd`).length
  const usual = fds()
  for (let round = 2; round <= 4; round += 1) {
    process.kill(supervised.pids('queue').at(-1) ?? 0, 'SIGKILL')
    await until(
      () =>
        EVERYONE.slice(1).every(
          (p) => count(supervised, new RegExp(`^queue hears ${p}`)) === round,
        ),
      20,
    )
  }
  await until(() => fds() <= usual, 10)
})

test('a status that is none, or never ends, ends that program alone', async () => {
  settings.parts['pickup'] = {
    do: `io.status({ status: 'ready' }); io.status({ status: 'splendid' })`,
  }
  settings.parts['remote'] = {
    do: `io.status({ status: 'ready' }); for (;;) io.writeSync(4, 'x'.repeat(4096))`,
  }
  write()
  const supervised = startSupervisor(release, config)
  await until(
    () => supervised.pids('pickup').length >= 3 && supervised.pids('remote').length >= 3,
    20,
  )
  assert.match(
    supervised.log(),
    /program-failed program=pickup index=0 why="a status that is none: status: not one of/,
  )
  assert.match(supervised.log(), /program-failed program=remote/)
  assert.equal(supervised.pids('queue').length, 1)
  assertSmall(supervised)
})

test('a log line without an end is cut, and lines of different programs are never mixed', async () => {
  settings.parts['pickup'] = {
    do: `for (let i = 0; i < 300; i++) io.writeSync(1, 'A'.repeat(9999)); io.say('')`,
  }
  settings.parts['remote'] = {
    do: `for (let i = 0; i < 3000; i++) io.writeSync(2, 'B'.repeat(10) + '\\n')`,
  }
  const supervised = await start()
  await until(() => count(supervised, /^B{10}$/) === 3_000 && /^A+$/m.test(supervised.log()), 20)
  const lines = supervised
    .log()
    .split('\n')
    .filter((line) => /[AB]{10}/.test(line))
  assert.deepEqual([...new Set(lines.map((line) => line.replaceAll(/(.)\1+/g, '$1')))].sort(), [
    'A',
    'B',
  ])
  assert.equal(lines.find((line) => line.startsWith('A'))?.length, 4_095)
})

test('while nobody reads the log, programs that flood it wait, and nothing grows', async () => {
  settings.parts['pickup'] = {
    do: `setTimeout(() => { for (;;) io.writeSync(1, 'flood\\n'.repeat(1000)) }, 500)`,
  }
  const supervised = await start()
  supervised.process.stderr?.pause()
  await until(() => {
    // Blocked: the flood is waiting for its pipe.
    const pid = supervised.pids('pickup').at(-1)
    return (
      /pipe|unix|sock_alloc_send/.test(readFileSync(`/proc/${pid}/wchan`, 'utf8')) || blocked(pid)
    )
  }, 20)
  assertSmall(supervised)
  // It still acts on signals.
  supervised.process.kill('SIGTERM')
  supervised.process.stderr?.resume()
  assert.equal(await supervised.ended, 0)
})

let lastTicks = -1
/** No processor time since the last look. */
function blocked(pid: number | undefined): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const same = ticks === lastTicks && ticks > 10
  lastTicks = ticks
  return same
}

const CHANNEL_ATTACKS: readonly (readonly [string, string])[] = [
  ['a malformed line', `io.writeSync(5, '{nonsense\\n')`],
  ['a line that never ends', `for (;;) { try { io.writeSync(5, 'x'.repeat(65536)) } catch {} }`],
  ['a forged acknowledgement', `io.writeSync(5, '{"cmd":"NODE_HANDLE_ACK"}\\n'.repeat(3))`],
  [
    'a handle of no known kind',
    `process.send({ cmd: 'NODE_HANDLE', type: 'nothing' }, io.queue ?? io.partners[0])`,
  ],
  [
    'a forged handover',
    `for (let i = 0; i < 10000; i++) process.send({ handover: 'agent', token: 1 }); io.writeSync(4, '!\\n')`,
  ],
]
for (const [what, code] of CHANNEL_ATTACKS) {
  for (const program of ['queue', 'launcher']) {
    test(`${what} on the channel of ${program} ends that program, not the supervisor`, async () => {
      settings.parts[program] = { do: `await new Promise((go) => setTimeout(go, 400)); ${code}` }
      const supervised = await start()
      await until(() => supervised.pids(program).length >= 2, 30)
      assertSmall(supervised)
      // With a program that behaves, all is well again.
      settings.parts[program] = {}
      write()
      await hup(supervised, /supervisor - reloaded/)
      const settled = () => latest(supervised).length === 6 && latest(supervised).every(isAlive)
      await until(settled, 40)
      supervised.process.kill('SIGTERM')
      assert.equal(await supervised.ended, 0, supervised.log())
    })
  }
}

test('what queue, or a launcher about nothing, hands over is let go', async () => {
  const give = `process.send({ handover: 'partner', program: 'receiver', index: 0 }, io.partners[0] ?? io.queue)`
  settings.parts['queue'] = { do: `setTimeout(() => ${give}, 300)` }
  const supervised = await start()
  // Its partner hears the end of its connection, leaves, and is renewed.
  await until(() => count(supervised, /program-ended/) >= 1, 10)
  assert.equal(supervised.process.exitCode, null)
})

test('the launcher answers the queue, and an agent’s connection travels to it', async () => {
  const whole = await makeFakeRelease(['supervisor', 'launcher'])
  const user = userInfo().username
  settings.parts['launcher'] = {
    hostname: 'postern.test',
    mailboxGroups: {
      'postern.test': { root: `${directory}/mail/`, user },
      'other.test': { root: '/x/', user: 'daemon' },
    },
    systemAccounts: [],
    agents: 3,
  }
  const agent = { kind: 'mailboxes', name: 'postern.test' }
  const requests = [
    { type: 'account', name: user },
    { type: 'account', name: 'no-such-account' },
    { type: 'agent', agent, token: 71 },
    { type: 'agent', agent: { kind: 'mailboxes', name: 'other.test' }, token: 72 },
    { type: 'agent', agent: { kind: 'account', name: user }, token: 73 },
    { type: 'nonsense' },
    { type: 'agent', agent, token: 74 },
  ]
  settings.parts['queue'] = { greet: false, do: askLauncher(requests) }
  write()
  const supervised = startSupervisor(whole, config)
  const log = () => supervised.log()
  try {
    await until(() => [1, 2, 3, 4, 5, 7].every((n) => log().includes(`answer ${n} `)), 20)
    await until(() => count(supervised, /^agent 7\d /) === 2, 10)
    assert.match(log(), /^answer 1 \{"kind":"found"\}/m)
    assert.match(log(), /^answer 2 \{"kind":"unknown","because":"no such account"\}/m)
    assert.match(log(), /^answer 3 \{"kind":"started"\}/m)
    assert.match(log(), /^answer 4 \{"kind":"deferred","status":"4\.3\.5"/m)
    // Four were asked for at once; the one that will be refused counts until it is.
    assert.equal(count(supervised, /^answer [357] .*"started"/), 2)
    assert.equal(count(supervised, /^answer [357] .*"4\.3\.2"/), 1)
    const told = { release: 'test-1', hostname: 'postern.test', home: `${directory}/mail/` }
    assert.ok(log().includes(`agent 71 ${JSON.stringify({ told }).slice(0, -1)}`))
    // Agents leave with the queue that has their connection.
    const agents = agentsOf(whole)
    assert.equal(agents.length, 2)
    supervised.process.kill('SIGKILL')
    await allGone(agents)
  } catch (error) {
    throw new Error(log(), { cause: error })
  } finally {
    await endSupervisors()
    removeDirectory(whole)
  }
})

/** Of one release only: other tests may run agents at the same time. */
function agentsOf(code: string): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return command.startsWith('postern: local') && command.includes(code)
      } catch {
        return false
      }
    })
}

test('kill -9 of the supervisor makes everyone leave', async () => {
  const supervised = await start()
  const pids = latest(supervised)
  assert.equal(pids.length, 6)
  supervised.process.kill('SIGKILL')
  await allGone(pids)
})

test('after kill -9 it starts again where the old sockets lie; a second one beside it is refused', async () => {
  const first = await start()
  first.process.kill('SIGKILL')
  await first.ended
  assert.ok(existsSync(join(settings.supervisor.paths.run, 'operators.sock')))
  const second = await start()
  await until(() => count(second, /supervisor - ready/) === 1, 20)
  const third = await startAndFail()
  assert.equal(third.code, 69)
  assert.match(
    third.log,
    new RegExp(`Postern is running already, as process ${second.process.pid}`),
  )
  assert.ok(isReady(settings))
})

test('problems of the configuration are printed with line and column, and exit 78', async () => {
  const problems = [
    { line: 3, column: 7, setting: 'limits.sessions', message: 'not a number' },
    { line: 9, column: 1, setting: '', message: 'no closing quote' },
  ]
  write({ kind: 'problems', problems })
  const { code, log } = await startAndFail()
  assert.equal(code, 78)
  assert.equal(
    log,
    `${config}:3:7: limits.sessions: not a number\n${config}:9:1: no closing quote\n`,
  )
})

test('a missing file, wrong arguments and a settings program that fails say so', async () => {
  const missing = await startAndFail()
  assert.equal(missing.code, 66)
  assert.match(missing.log, /postern\.toml: ENOENT/)
  writeFileSync(config, 'not what the fake settings program can answer')
  const failed = await startAndFail()
  assert.equal(failed.code, 78)
  assert.match(failed.log, /the settings program failed/)
  const wrong = spawn(process.execPath, [join(release, 'supervisor.mjs'), '--nonsense'])
  const code = await new Promise((resolve) => wrong.once('exit', resolve))
  assert.equal(code, 64)
})

test('an address that is taken is refused with exit 69, and nothing is left behind', async () => {
  const other = createServer()
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => {
      const bound = other.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : 0)
    })
  })
  settings.supervisor.smtp = [{ host: '127.0.0.1', port, name: `127.0.0.1:${port}` }]
  write()
  const { code, log } = await startAndFail()
  other.close()
  assert.equal(code, 69)
  assert.match(log, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*another mail server/)
  assert.deepEqual(readdirSync(settings.supervisor.paths.run), [])
})

test('with --single, root does not listen to the world', {
  skip: asRoot ? false : 'needs root',
}, async () => {
  settings.supervisor.smtp = [{ host: '0.0.0.0', port: 0, name: '0.0.0.0:25' }]
  write()
  const { code, log } = await startAndFail()
  assert.equal(code, 78)
  assert.match(log, /loopback addresses only/)
})

test('a program that cannot do its work at the first start ends all, with its reason', async () => {
  settings.parts['queue'] = {
    do: `io.status({ status: 'cannot', why: 'the disk is made of cheese' }); process.exit(78)`,
  }
  write()
  const { code, log } = await startAndFail()
  assert.equal(code, 78)
  assert.match(log, /^queue: the disk is made of cheese$/m)
})

test('later, a program that cannot is started again', async () => {
  const supervised = await start()
  settings.parts['pickup'] = {
    do: `io.status({ status: 'cannot', why: 'no cheese' }); process.exit(78)`,
  }
  write()
  await hup(supervised, /supervisor - reloaded/)
  await until(
    () => count(supervised, /program-cannot program=pickup index=0 why="no cheese"/) >= 2,
    20,
  )
  assert.equal(supervised.process.exitCode, null)
})

test('HUP starts successors with the new settings, and the old ones finish once those are ready', async () => {
  const supervised = await start()
  const old = latest(supervised)
  settings.supervisor.receivers = 2
  settings.parts['receiver'] = { hello: 'new' }
  settings.parts['queue'] = { hello: 'new' }
  write()
  await hup(supervised, /supervisor - reloaded/)
  await until(() => count(supervised, /^(receiver|pickup|remote|console) finishes/) === 4, 15)
  await until(() => /queue is told \{"hello":"new"\}/.test(supervised.log()), 10)
  await until(() => /launcher is told \{\}/.test(supervised.log()), 10)
  await until(() => supervised.pids('receiver').length === 3, 10)
  await until(() => old.filter(isAlive).length === 2, 10)
  assert.equal(supervised.pids('queue').length, 1)
  // Fewer again: the one too many finishes.
  settings.supervisor.receivers = 1
  write()
  await hup(supervised, /supervisor - reloaded/)
  await until(() => count(supervised, /^receiver finishes/) === 3, 15)
})

test('HUP opens new addresses, keeps those that stay, and closes those no longer named', async () => {
  const [a, b, c] = await freePorts()
  const endpoint = (port: number) => ({ host: '127.0.0.1', port, name: `127.0.0.1:${port}` })
  const listen = `for (const door of io.order.doors) { const { createServer } = await import('node:net');
    createServer((s) => s.end('220 here')).listen({ fd: door.fd }) }`
  settings.parts['receiver'] = { do: listen }
  settings.supervisor.smtp = [endpoint(a), endpoint(b)]
  const supervised = await start()
  await until(() => answers(b), 10)
  settings.supervisor.smtp = [endpoint(b), endpoint(c)]
  write()
  await hup(supervised, /supervisor - reloaded/)
  await until(() => count(supervised, /^receiver finishes/) === 1, 15)
  await until(async () => (await answers(b)) && (await answers(c)) && !(await answers(a)), 10)
  assert.deepEqual(
    listening()
      .slice(0, 2)
      .map((door) => door.port),
    [b, c],
  )
})

test('HUP with a bad file leaves the old settings in force and says what is wrong where', async () => {
  const supervised = await start()
  const problem = { line: 2, column: 5, setting: 'hostname', message: 'no domain' }
  write({ kind: 'problems', problems: [problem] })
  await hup(supervised, /reload-refused problem=".*:2:5: hostname: no domain"/)
  settings.supervisor.paths.queue = join(directory, 'elsewhere')
  write()
  await hup(supervised, /reload-refused problem="paths: restart Postern to change them"/)
  for (const program of EVERYONE) assert.equal(supervised.pids(program).length, 1)
  process.kill(supervised.pids('pickup')[0] ?? 0, 'SIGKILL')
  await until(() => count(supervised, /^pickup hears/) === 2, 10)
})

test('a log file is made readable by its group only, and opened again on HUP', async () => {
  const file = join(directory, 'mail.log')
  settings.supervisor.log.to = { kind: 'file', path: file }
  const supervised = await start()
  const text = (name = file) => (existsSync(name) ? readFileSync(name, 'utf8') : '')
  await until(() => / supervisor - ready release=test-1\n/.test(text()), 10)
  assert.equal(statSync(file).mode & 0o777, 0o640)
  renameSync(file, `${file}.1`)
  supervised.process.kill('SIGHUP')
  await until(() => / supervisor - reloaded /.test(text()), 10)
  assert.doesNotMatch(text(`${file}.1`), /reloaded/)
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
  assert.match(text(), / supervisor - stopped\n$/)
})

test('a log file that cannot be written is said at the start; later it stops nothing', async () => {
  const path = join(directory, 'log')
  settings.supervisor.log.to = { kind: 'file', path }
  const supervised = await start()
  rmSync(path)
  mkdirSync(path)
  supervised.process.kill('SIGHUP')
  await until(() => isReady(settings), 10)
  assert.equal(supervised.process.exitCode, null)
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
  write()
  const refused = await startAndFail()
  assert.equal(refused.code, 78)
  assert.match(refused.log, /the log file cannot be written: EISDIR/)
})

test('a program that does not finish is ended after its time; a second TERM ends it at once', async () => {
  settings.parts['receiver'] = { do: `process.exit = () => undefined` }
  settings.supervisor.finishWithin = 60
  const supervised = await start()
  const pid = supervised.pids('receiver')[0] ?? 0
  supervised.process.kill('SIGTERM')
  await until(() => /receiver finishes/.test(supervised.log()), 10)
  assert.ok(isAlive(pid))
  supervised.process.kill('SIGTERM')
  assert.equal(await supervised.ended, 0)
  assert.equal(isAlive(pid), false)
})

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Ports nobody uses just now. */
async function freePorts(): Promise<readonly [number, number, number]> {
  const servers = [0, 1, 2].map(() => createServer().listen(0, '127.0.0.1'))
  const ports: number[] = []
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
    const bound = server.address()
    if (typeof bound === 'object' && bound !== null) ports.push(bound.port)
    server.close()
  }
  const [a = 0, b = 0, c = 0] = ports
  return [a, b, c]
}
