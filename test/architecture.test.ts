/**
 * The dependency rule, as a test: which folder may import which (CONTRIBUTING.md has the table).
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src')

type Layer = 'protocol' | 'contracts' | 'policy' | 'io' | 'programs'
const MAY_IMPORT: Readonly<Record<Layer, readonly Layer[]>> = {
  protocol: ['protocol'],
  contracts: ['protocol', 'contracts'],
  policy: ['protocol', 'contracts', 'policy'],
  io: ['protocol', 'contracts', 'io'],
  programs: ['protocol', 'contracts', 'policy', 'io', 'programs'],
}
const PURE: readonly string[] = ['protocol', 'contracts', 'policy']
/** npm packages, and who may load them. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  koffi: /^io\//,
  'dns-packet': /^io\//,
  'toml-eslint-parser': /^io\//,
  commander: /^programs\/operator\//,
}

interface Import {
  readonly file: string
  readonly target: string
}

const files = globSync('**/*.ts', { cwd: source }).filter((file) => !file.endsWith('.test.ts'))
const imports: readonly Import[] = files.flatMap((file) =>
  [
    ...readFileSync(join(source, file), 'utf8').matchAll(
      /(?:^|\n)(?:import|export)\b[^'\n]*(?:\n[^'\n]*)*?from '([^']+)'|(?:^|\n)import '([^']+)'|import\('([^']+)'\)/g,
    ),
  ].map((match) => ({ file, target: match[1] ?? match[2] ?? match[3] ?? '' })),
)

/** Where a relative import leads, from `src/` on. */
function targetOf({ file, target }: Import): string {
  return relative(source, resolve(source, dirname(file), target))
}

test('the table sees the code: there are files and imports to check', () => {
  assert.ok(files.length > 10, `${files.length} files`)
  assert.ok(imports.length > 20, `${imports.length} imports`)
})

test('every import between folders goes in the direction of the table', () => {
  const wrong = imports.filter((entry) => {
    if (!entry.target.startsWith('.')) return false
    const from = entry.file.split('/')[0] as Layer
    const to = targetOf(entry).split('/')[0] as Layer
    return !MAY_IMPORT[from].includes(to)
  })
  assert.deepEqual(wrong, [])
})

test('programs never import each other', () => {
  const programOf = (path: string) => /^programs\/([^/]+)/.exec(path)?.[1]
  const wrong = imports.filter((entry) => {
    const to = entry.target.startsWith('.') ? programOf(targetOf(entry)) : undefined
    return to !== undefined && to !== programOf(entry.file)
  })
  assert.deepEqual(wrong, [])
})

test('protocol, contracts and policy are pure: nothing of Node, no clock, no chance, no process', () => {
  const wrong = imports.filter(
    ({ file, target }) => PURE.includes(file.split('/')[0] ?? '') && !target.startsWith('.'),
  )
  assert.deepEqual(wrong, [])
  const impure = files.filter(
    (file) =>
      PURE.includes(file.split('/')[0] ?? '') &&
      /\bDate\.now\(|\bMath\.random\(|\bprocess\.|\bset(?:Timeout|Interval|Immediate)\(|new Date\(\)/.test(
        readFileSync(join(source, file), 'utf8'),
      ),
  )
  assert.deepEqual(impure, [])
})

test('npm packages are loaded only where the table allows, and never by supervisor or launcher', () => {
  const wrong = imports.filter(({ file, target }) => {
    if (target.startsWith('.') || target.startsWith('node:')) return false
    const allowed = PACKAGES[target]
    return allowed === undefined || !allowed.test(file)
  })
  assert.deepEqual(wrong, [])
  for (const program of ['supervisor', 'launcher']) {
    const reached = reachableFrom(`programs/${program}/main.ts`)
    const packages = imports.filter(
      ({ file, target }) =>
        reached.has(file) && !target.startsWith('.') && !target.startsWith('node:'),
    )
    assert.deepEqual(packages, [], `packages in ${program}`)
  }
})

test('every file begins with a comment that says what it is', () => {
  const silent = files.filter((file) => !readFileSync(join(source, file), 'utf8').startsWith('/**'))
  assert.deepEqual(silent, [])
})

test('every program has its manual page', () => {
  const programs = new Set(
    files.map((file) => /^programs\/([^/]+)/.exec(file)?.[1]).filter(Boolean),
  )
  const missing = [...programs].filter(
    (name) => globSync(`programs/${name}/README.md`, { cwd: source }).length === 0,
  )
  assert.deepEqual(missing, [])
})

function reachableFrom(entry: string): ReadonlySet<string> {
  const reached = new Set<string>([entry])
  for (const file of reached) {
    for (const item of imports) {
      if (item.file === file && item.target.startsWith('.')) reached.add(targetOf(item))
    }
  }
  return reached
}
