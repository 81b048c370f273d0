/**
 * Where the programs of this release lie: `dist/`, or `src/programs/` when run from there, as tests do.
 */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const bundled = !import.meta.filename.endsWith('.ts')

/** What a program must be able to read in order to run. */
export const CODE_DIRECTORY = bundled
  ? import.meta.dirname
  : resolve(import.meta.dirname, '../../..')
/** The checkout, or the release. */
export const HOME = bundled ? resolve(import.meta.dirname, '..') : CODE_DIRECTORY
/** The bundles, whichever way this program was started. */
export const BUNDLES = bundled ? import.meta.dirname : join(HOME, 'dist')

export function programFile(name: string): string {
  return bundled
    ? join(CODE_DIRECTORY, `${name}.mjs`)
    : join(import.meta.dirname, `../${name}/main.ts`)
}

/** A program as it is bundled; undefined before `npm run build`. */
export function bundleOf(name: string): string | undefined {
  const file = join(BUNDLES, `${name}.mjs`)
  return existsSync(file) ? file : undefined
}
