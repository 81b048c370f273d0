/**
 * The log as an administrator gets it: a file that is rotated, lines for machines, syslog. And that it tells the
 * story of every message from its acceptance to its end, once.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { suite, test } from 'node:test'
import { needs } from '../support/debian.ts'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailFiles,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { withSession } from '../support/smtp-client.ts'
import { startSmtpSink } from '../support/smtp-sink.ts'

interface Line {
  readonly at: string
  readonly program: string
  readonly event: string
  readonly id?: string
  readonly recipients?: number
  readonly to?: string
  readonly via?: string
  readonly report?: string
}

const SYSLOG = '/dev/log'

async function withPostern(
  more: (directory: string) => string,
  use: (postern: Postern, directory: string) => Promise<void>,
): Promise<void> {
  const directory = makeDirectory()
  const settings = everydaySettings(directory) + more(directory)
  const postern = await startPostern({ directory, settings })
  try {
    await use(postern, directory)
  } finally {
    await postern.stop()
    removeDirectory(directory)
  }
}

const toFile = (format: string) => (directory: string) =>
  `[log]\nto = "${directory}/log"\nformat = "${format}"\n`

const send = (postern: Postern, from: string, to: readonly string[]) =>
  withSession(postern.smtpPort, async (client) => {
    const reply = await client.send({ from, to, content: 'Subject: x\n\nbody\n' })
    assert.equal(reply.code, 250, reply.lines.join())
    return / queued as (\w+)/.exec(reply.lines.join())?.[1] ?? ''
  })

const textOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
const linesOf = (file: string) =>
  textOf(file)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

test('after it was renamed, HUP begins a new file; no line is lost, none is in both', () =>
  withPostern(toFile('text'), async (postern, directory) => {
    const [file, old] = [join(directory, 'log'), join(directory, 'log.1')]
    const ended = (id: string, path: string) => textOf(path).includes(` ${id} ended`)
    const first = await send(postern, 'a@sender.test', ['joe@postern.test'])
    await until(() => ended(first, file), 20)
    renameSync(file, old)
    const second = await send(postern, 'a@sender.test', ['joe@postern.test'])
    await until(() => ended(second, old), 20)
    postern.signal('SIGHUP')
    await until(() => textOf(file).includes(' reloaded '), 20)
    // A receiver that is about to leave may say 421.
    let third = ''
    await until(async () => {
      third = await send(postern, 'a@sender.test', ['joe@postern.test']).catch(() => '')
      return third !== ''
    }, 20)
    await until(() => ended(third, file), 20)
    assert.equal(textOf(old).includes(third), false)
    for (const id of [first, second]) assert.equal(textOf(file).includes(id), false)
    for (const path of [file, old]) assert.match(textOf(path), /^([^\n]+\n)+$/)
    const lines = [...textOf(old).split('\n'), ...textOf(file).split('\n')].filter(Boolean)
    assert.equal(lines.filter((line) => line.includes(' accepted ')).length, 3)
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z \w+(\.\d+)? \S+ [\w-]+/)
    assert.equal(postern.log(), '', 'nothing went elsewhere')
  }))

test('LG-3, LG-4: as JSON, each message is accepted once and ends once, and all recipients have an outcome', async () => {
  const refusing = await startSmtpSink({
    refuse: (recipient) => (recipient.startsWith('no') ? '550 5.1.1 no such user' : undefined),
  })
  const settings = (directory: string) =>
    `${toFile('json')(directory)}[local]\npostmaster = "postmaster@postern.test"\n[routes]\n"*" = "smtp://127.0.0.1:${refusing.port}"\n`
  await withPostern(settings, async (postern, directory) => {
    const file = join(directory, 'log')
    const sent: string[] = []
    for (let at = 0; at < 20; at += 1) {
      sent.push(await send(postern, 'joe@postern.test', [`box${at}@postern.test`]))
      sent.push(
        await send(postern, 'joe@postern.test', ['yes@a.test', `no${at}@a.test`, 'x@b.test']),
      )
      sent.push(await send(postern, '', [`nobody${at}@c.test`, 'z@postern.test']))
    }
    const count = (event: string) => linesOf(file).filter((line) => line.event === event).length
    // What has no sender is reported to the postmaster.
    await until(() => count('reported') === 40, 60)
    await until(() => mailFiles(`${directory}/mail/joe`).length === 20, 60)
    await until(() => mailFiles(`${directory}/mail/postmaster`).length === 20, 60)
    await postern.stop()
    assertWholeStories(linesOf(file), sent)
  }).finally(() => void refusing.close())
})

function assertWholeStories(lines: readonly Line[], sent: readonly string[]): void {
  for (const { at, program, event } of lines) {
    assert.ok(!Number.isNaN(Date.parse(at)))
    assert.ok(program !== '' && event !== '')
  }
  const ids = (event: string) =>
    lines.flatMap((line) => (line.event === event ? [line.id ?? ''] : [])).sort()
  const reports = lines.flatMap(({ report }) => (report === undefined ? [] : [report]))
  const all = [...sent, ...reports].sort()
  assert.equal(new Set(all).size, all.length)
  assert.deepEqual(ids('accepted'), [...sent].sort(), 'what came from outside')
  assert.deepEqual(ids('ended'), all, 'reports as well')

  for (const id of all) {
    const story = lines.filter((line) => line.id === id)
    const outcomes = story.filter(({ event }) => event === 'delivered' || event === 'failed')
    const expected = story.find(({ event }) => event === 'accepted')?.recipients ?? 1
    assert.equal(outcomes.length, expected, id)
    assert.equal(new Set(outcomes.map(({ to }) => to)).size, expected, `${id}: one each`)
    assert.equal(story.at(-1)?.event, 'ended')
    if (sent.includes(id)) assert.equal(story[0]?.event, 'accepted')
  }
}

test('a reader of the log that has stalled holds up no mail; afterwards it is told how much it missed', async () => {
  const dead = await startSmtpSink({})
  await dead.close()
  await withPostern(
    () => `[routes]\n"*" = "smtp://127.0.0.1:${dead.port}"\n`,
    async (postern, directory) => {
      postern.stallLog(true)
      // Each of these recipients is a line: several megabytes, where nobody reads them.
      for (let round = 0; round < 40; round += 1) {
        const to = Array.from({ length: 500 }, (_, at) => `user${at}@far${at % 10}.test`)
        await send(postern, 'a@sender.test', to)
      }
      await send(postern, 'a@sender.test', ['joe@postern.test'])
      await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
      await until(() => !queueList(postern).includes('"attempts":0'), 60)
      postern.stallLog(false)
      await until(() => / log-lines-lost count=\d+/.test(postern.log()), 60)
      for (const line of postern.log().split('\n').filter(Boolean)) {
        assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z \w+(\.\d+)? \S+ [\w-]+/)
      }
    },
  )
})

function queueList(postern: Postern): string {
  const words = ['queue', 'list', '--json', '--config', postern.config]
  const bin = join(import.meta.dirname, '../../bin/postern')
  const done = spawnSync(bin, words, { encoding: 'utf8', maxBuffer: 100_000_000 })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
}

/** Where there is no syslog daemon, this listens in its place and writes down what it hears. */
async function startSyslog(file: string): Promise<() => Promise<void>> {
  if (existsSync(SYSLOG)) return () => Promise.resolve()
  const words = ['-u', `UNIX-RECV:${SYSLOG},mode=666`, `CREATE:${file}`]
  const child = spawn('socat', words, { stdio: 'ignore' })
  await until(() => existsSync(SYSLOG), 10)
  return async () => {
    child.kill()
    await once(child, 'exit')
    rmSync(SYSLOG, { force: true })
  }
}

async function whyNoSyslog(): Promise<string | false> {
  const hasLogger = (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => existsSync(join(directory, 'logger')))
  if (!hasLogger) return 'needs the program logger (package bsdutils)'
  if (existsSync(SYSLOG)) return false
  if (process.getuid?.() !== 0)
    return `needs a syslog daemon at ${SYSLOG}, or root to stand in for it`
  return (await needs('socat')) ?? false
}

suite('syslog', { skip: await whyNoSyslog() }, () => {
  test('lines go to syslog through the program logger, which leaves when Postern does', async () => {
    const place = makeDirectory()
    const heard = join(place, 'heard')
    const endSyslog = await startSyslog(heard)
    try {
      await withPostern(
        () => '[log]\nto = "syslog"\n',
        async (postern, directory) => {
          const [supervisor = 0] = postern.pids('supervisor')
          const [logger = 0] = loggersOf(supervisor)
          const before = bytesRead(logger)
          const id = await send(postern, 'a@sender.test', ['joe@postern.test'])
          await until(() => mailFiles(`${directory}/mail/joe`).length === 1, 20)
          await until(() => bytesRead(logger) > before + 100, 20)
          if (existsSync(heard)) {
            await until(() => textOf(heard).includes(` queue ${id} ended`), 20)
            // Facility mail (2), severity informational (6): RFC 3164 section 4.1.1.
            assert.match(textOf(heard), new RegExp(`<22>.* postern: .* queue ${id} accepted `))
          }
          assert.equal(await postern.stop(), 0)
          await until(() => !existsSync(`/proc/${logger}`), 20)
        },
      )
    } finally {
      await endSyslog()
      removeDirectory(place)
    }
  })
})

function loggersOf(supervisor: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isLoggerOf(pid, supervisor))
}

function isLoggerOf(pid: number, parent: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return words[0] === 'logger' && status.includes(`\nPPid:\t${parent}\n`)
  } catch {
    return false
  }
}

function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
}
