/**
 * Builds `dist/`: one bundle per program, so that a program starts quickly and imports nothing but
 * Node. koffi, which is native, stays outside and is found beside the bundles.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const programs = readdirSync(join(root, 'src/programs')).filter((name) =>
  existsSync(join(root, 'src/programs', name, 'main.ts')),
)

const outdir = join(root, 'dist')
await rm(outdir, { recursive: true, force: true })
await mkdir(outdir, { recursive: true })
const built = await build({
  entryPoints: Object.fromEntries(
    programs.map((name) => [name, join(root, 'src/programs', name, 'main.ts')]),
  ),
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  external: ['koffi'],
  splitting: false,
  legalComments: 'none',
  metafile: true,
  // CommonJS packages inside an ES module bundle need a `require` of their own.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
})

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  version: string
}
const digest = createHash('sha256')
for (const file of Object.keys(built.metafile.outputs).sort()) {
  digest.update(await readFile(join(root, file)))
}
const release = `${version}-${digest.digest('hex').slice(0, 12)}`
await writeFile(join(outdir, 'release.json'), `${JSON.stringify({ release }, null, 2)}\n`)
process.stdout.write(`built ${programs.length} programs, release ${release}\n`)
