/**
 * Runs the tests: those beside the code in one process, those of real processes file by file.
 *
 * `node scripts/test.ts [PATH …]` runs only the files given.
 */

import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const asked = process.argv.slice(2)
const unit = [
  'src/**/*.test.ts',
  'test/*.test.ts',
  'test/{support,conversations,crash}/**/*.test.ts',
]
const system = ['test/{system,interop}/**/*.test.ts']

/** Answers the exit code of node's test runner. */
function run(files: readonly string[], flags: readonly string[]): number {
  if (files.length === 0) return 0
  const done = spawnSync(process.execPath, ['--test', ...flags, ...files], {
    cwd: root,
    stdio: 'inherit',
  })
  return done.status ?? 1
}

const filesOf = (patterns: readonly string[]) => globSync([...patterns], { cwd: root }).sort()
const codes =
  asked.length > 0
    ? [run(asked, ['--test-concurrency=1'])]
    : [
        run(filesOf(unit), ['--test-concurrency=2', '--test-timeout=120000', '--test-randomize']),
        run(filesOf(system), ['--test-concurrency=1', '--test-timeout=600000']),
      ]
process.exit(codes.every((code) => code === 0) ? 0 : 1)
