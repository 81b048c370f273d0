/**
 * The two programs that run as root stay so small that one person can audit them in an hour.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '../../src')
const MOST_LINES = 500

/** Lines that are neither blank nor comment. */
function codeLines(file: string): number {
  const text = readFileSync(join(source, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')
  return text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//'))
    .length
}

test(`supervisor and launcher together have at most ${MOST_LINES} lines of code`, () => {
  const files = globSync('programs/{supervisor,launcher}/**/*.ts', { cwd: source }).filter(
    (file) => !file.endsWith('.test.ts'),
  )
  const sizes = files.map((file) => [file, codeLines(file)] as const)
  const sum = sizes.reduce((total, [, lines]) => total + lines, 0)
  assert.ok(files.length >= 6)
  assert.ok(sum <= MOST_LINES, `${sum} lines: ${JSON.stringify(Object.fromEntries(sizes))}`)
})
