/**
 * Writes the documents that are made of the code: docs/settings.md, docs/limits.md, docs/standards.md and
 * docs/postern.schema.json.
 *
 * `node scripts/docs.ts` writes them; `node scripts/docs.ts --check` exits 1 if one of them is stale.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SETTINGS } from '../src/contracts/settings-table.ts'
import { limitsPage, schemaOf, settingsPage } from './docs-settings.ts'
import { standardsPage } from './docs-standards.ts'

const root = join(import.meta.dirname, '..')
const { page } = SETTINGS
if (page.kind !== 'section') throw new Error('the table of settings is no section')

const documents: Readonly<Record<string, string>> = {
  'docs/settings.md': settingsPage(page.pages),
  'docs/limits.md': limitsPage(page.pages),
  'docs/standards.md': standardsPage(join(root, 'src')),
  'docs/postern.schema.json': schemaOf(page),
}

const stale = Object.entries(documents).filter(([file, text]) => read(file) !== text)
if (process.argv.includes('--check')) {
  for (const [file] of stale) console.error(`${file} is stale: run "node scripts/docs.ts"`)
  if (stale.length > 0) process.exitCode = 1
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
