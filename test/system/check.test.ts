/**
 * `postern check`, as an administrator calls it: the real command, the real settings program.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeDirectory, removeDirectory } from '../support/postern.ts'

const directory = makeDirectory()
after(() => removeDirectory(directory))

const command = join(import.meta.dirname, '../../bin/postern')

function check(text: string, ...flags: readonly string[]) {
  const file = join(directory, 'postern.toml')
  writeFileSync(file, text)
  const done = spawnSync(command, ['check', '--config', file, ...flags], { encoding: 'utf8' })
  return { code: done.status, output: done.stdout.replaceAll(file, 'FILE'), errors: done.stderr }
}

test('a right configuration exits 0', () => {
  const { code, output, errors } = check('hostname = "mail.example.org"\n')
  assert.deepEqual([code, output, errors], [0, 'FILE: no problems\n', ''])
})

test('every problem is told at once with line and column, and the exit code is 1', () => {
  const { code, output } = check(`hostname = "localhost"
[listen]
smtp = ["25"]
[limits]
sesions = 3
[relay]
from = ["0.0.0.0/0"]
[routes]
"*" = "somewhere"
`)
  assert.equal(code, 1)
  const lines = output.trim().split('\n')
  assert.deepEqual(
    lines.map((line) => /^FILE(?::\d+:\d+: \S+:)?/.exec(line)?.[0]),
    [
      'FILE:1:12: hostname:',
      'FILE:3:9: listen.smtp:',
      'FILE:5:1: limits.sesions:',
      'FILE:7:1: relay.from:',
      'FILE:9:7: routes."*":',
      'FILE',
    ],
  )
  assert.match(output, /did you mean "sessions"\?/)
  assert.match(output, /FILE: 5 problems/)
})

test('warnings are told, and exit 0', () => {
  const { code, output } = check('hostname = "mail.example.org"\n[limits]\nhops = 10\n')
  assert.equal(code, 0)
  assert.match(output, /^FILE:3:8: warning: limits\.hops: RFC 5321 section 6\.3/)
})

test('--json tells the same to programs', () => {
  const { code, output } = check('hostname =\n', '--json')
  assert.equal(code, 1)
  const told = JSON.parse(output) as { readonly problems: readonly unknown[] }
  assert.deepEqual(told.problems, [
    { line: 1, column: 1, setting: '', message: 'a value is missing behind "="' },
  ])
})

test('a hostile file is a problem, never a crash', () => {
  for (const text of ['\0', `a = ${'['.repeat(100_000)}`, '\ufeff', '[a]\n'.repeat(5_000)]) {
    const { code, errors } = check(text)
    assert.deepEqual([code, errors], [1, ''], JSON.stringify(text.slice(0, 20)))
  }
})

test('a file that is not there is said to be missing', () => {
  const missing = join(directory, 'missing.toml')
  const done = spawnSync(command, ['check', '--config', missing], { encoding: 'utf8' })
  assert.equal(done.status, 66)
  assert.match(done.stderr, /cannot be read/)
})

test('relative paths start at the directory of the file', () => {
  const text = 'hostname = "mail.example.org"\n[paths]\nqueue = "queue"\ndrop = "queue"\n'
  assert.match(check(text).output, /FILE:4:1: paths\.drop: it must not lie in paths\.queue/)
})
