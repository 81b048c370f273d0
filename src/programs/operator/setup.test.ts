import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSettings } from '../../io/settings-file.ts'
import { adviseOn } from '../../policy/settings-advice.ts'
import { formatProblem } from './check.ts'
import { exampleConfiguration, findHostname, systemdUnit } from './example.ts'
import { holds, isForeign, leadsTo, turnOver, writeWhole } from './release.ts'
import { take } from './steps.ts'
import { tryConfiguration } from './try.ts'

function inDirectory(use: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'postern-setup-'))
  try {
    use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('a step acts only where something is missing, and not at all in a dry run', async () => {
  let made = 0
  const step = { what: 'a thing', isDone: () => made > 0, perform: () => void (made += 1) }
  assert.equal(await take(step, true), 'would be done')
  assert.equal(made, 0)
  assert.equal(await take(step, false), 'done')
  assert.equal(await take(step, false), 'right already')
  assert.equal(made, 1)
})

test('in a dry run, what depends on a missing thing would be done; otherwise it fails', async () => {
  const isDone = () => {
    throw new Error('account postern-queue: it is missing')
  }
  const step = { what: 'its directory', isDone, perform: () => undefined }
  assert.equal(await take(step, true), 'would be done')
  await assert.rejects(take(step, false), /it is missing/)
})

test('the first configuration has no problems, and nothing to be warned of', () => {
  for (const host of [
    { name: 'mail.example.org', known: false },
    { name: 'a.b.example', known: true },
  ]) {
    const { settings, problems, warnings } = readSettings(exampleConfiguration(host), undefined)
    assert.deepEqual([problems, warnings], [[], []])
    assert.equal(settings.hostname, host.name)
    assert.deepEqual(adviseOn(settings), { problems: [], warnings: [] })
  }
})

test('the host has a name, or the example has', async () => {
  assert.match((await findHostname()).name, /^[^.]+\..+$/)
})

test('trying out listens on loopback, keeps all mail here, and survives odd directory names', () => {
  const directory = '/tmp/it\'s "here" \\ ü'
  const text = tryConfiguration({ directory, port: 2_525, log: 'stderr', user: 'joe' })
  const { settings, problems } = readSettings(text, undefined)
  assert.deepEqual(problems, [])
  assert.deepEqual(settings.listen.smtp, [
    { host: '127.0.0.1', port: 2_525, name: '127.0.0.1:2525' },
  ])
  assert.deepEqual(settings.routes, [
    { pattern: '*', to: 'maildir', maildir: `${directory}/outbound/`, user: 'joe' },
  ])
  assert.equal(settings.paths.queue, `${directory}/queue`)
  assert.deepEqual(adviseOn(settings), { problems: [], warnings: [] })
})

test('the service starts and reloads with the same configuration', () => {
  const unit = systemdUnit({ postern: '/usr/local/bin/postern', config: '/etc/postern/x.toml' })
  assert.match(
    unit,
    /^ExecStart=\/usr\/local\/bin\/postern start --config \/etc\/postern\/x.toml$/m,
  )
  assert.match(unit, /^ExecReload=.* reload --config \/etc\/postern\/x.toml$/m)
})

test("somebody else's command is recognised; ours is turned over at once", () => {
  inDirectory((directory) => {
    const [link, file, library] = ['link', 'file', 'lib'].map((name) => join(directory, name))
    assert.ok(link && file && library)
    writeFileSync(file, '')
    assert.equal(isForeign(link, library), false)
    assert.equal(isForeign(file, library), true)
    symlinkSync('/opt/other/sendmail', link)
    assert.equal(isForeign(link, library), true)
    turnOver(link, join(library, 'current/bin/sendmail'))
    assert.equal(isForeign(link, library), false)
    assert.ok(leadsTo(link, join(library, 'current/bin/sendmail')))
    assert.equal(leadsTo(file, 'anything'), false)
  })
})

test('a file is written whole, with the directories above it', () => {
  inDirectory((directory) => {
    const file = join(directory, 'a/b/c')
    assert.equal(holds(file, 'x'), false)
    writeWhole(file, 'x')
    assert.ok(holds(file, 'x'))
    assert.equal(readFileSync(file, 'utf8'), 'x')
    mkdirSync(join(directory, 'a/b/d'))
  })
})

test('a problem is written as compilers write it, and cannot steer the terminal', () => {
  const problem = { line: 3, column: 7, setting: 'log.to', message: 'no\u001b[31m' }
  assert.equal(formatProblem('x.toml', problem), 'x.toml:3:7: log.to: no?[31m')
  const syntax = { line: 1, column: 1, setting: '', message: 'this is not TOML' }
  assert.equal(formatProblem('x.toml', syntax), 'x.toml:1:1: this is not TOML')
})
