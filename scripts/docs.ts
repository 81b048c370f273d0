/**
 * Writes the documents that are made of the code: docs/settings.md, docs/limits.md, docs/standards.md,
 * docs/postern.schema.json, and the trust table in docs/architecture.md.
 *
 * `node scripts/docs.ts` writes them; `node scripts/docs.ts --check` exits 1 if one of them is stale, or if
 * any document refers to a file that is not there.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROGRAMS } from '../src/contracts/programs.ts'
import { SETTINGS } from '../src/contracts/settings-table.ts'
import { brokenReferences } from './docs-links.ts'
import { withTrustTable } from './docs-programs.ts'
import { limitsPage, schemaOf, settingsPage } from './docs-settings.ts'
import { standardsPage } from './docs-standards.ts'

const root = join(import.meta.dirname, '..')
const { page } = SETTINGS
if (page.kind !== 'section') throw new Error('the table of settings is no section')
const architecture = withTrustTable(read('docs/architecture.md'), PROGRAMS)
if (architecture === undefined) {
  throw new Error('docs/architecture.md has no place for the trust table: see docs-programs.ts')
}

const documents: Readonly<Record<string, string>> = {
  'docs/architecture.md': architecture,
  'docs/settings.md': settingsPage(page.pages),
  'docs/limits.md': limitsPage(page.pages),
  'docs/standards.md': standardsPage(join(root, 'src')),
  'docs/postern.schema.json': schemaOf(page),
}

const stale = Object.entries(documents).filter(([file, text]) => read(file) !== text)
if (process.argv.includes('--check')) {
  const problems = [
    ...stale.map(([file]) => `${file} is stale: run "node scripts/docs.ts"`),
    ...brokenReferences(root),
  ]
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
} else {
  for (const [file, text] of stale) writeFileSync(join(root, file), text)
  console.log(
    stale.length === 0 ? 'nothing to do' : stale.map(([file]) => `${file} written`).join('\n'),
  )
}

function read(file: string): string | undefined {
  try {
    return readFileSync(join(root, file), 'utf8')
  } catch {
    return undefined
  }
}
