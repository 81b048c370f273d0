/**
 * The directory the programs are started from: which release it is, and whether root may trust it.
 *
 * Whoever can write there, or rename a directory above it, could run code as root; and whatever
 * the other accounts cannot read, they cannot run. A sticky directory above (`/tmp`) keeps root's entries.
 */

import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { optional, record, text } from '../contracts/shape.ts'
import { CannotStart, EXIT } from './cannot-start.ts'

const manifest = record({ release: text(100), built: optional(text(100)) })

export function readRelease(directory: string): string {
  const file = join(directory, 'release.json')
  try {
    const decoded = manifest(JSON.parse(readFileSync(file, 'utf8')))
    if (decoded.ok) return decoded.value.release
    throw new Error(decoded.problem)
  } catch (error) {
    const why = `${file}: ${(error as Error).message}; is this a built release?`
    throw new CannotStart(why, EXIT.configuration)
  }
}

/** Throws unless everything in `directory`, and the way to it, is root's alone. */
export function demandRootsOwn(directory: string): void {
  for (let above = dirname(directory); ; above = dirname(above)) {
    demand(above, { sticky: true })
    if (above === '/') break
  }
  demand(directory, { sticky: false })
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    demand(join(directory, name), { sticky: false, inside: directory })
  }
}

function demand(path: string, rule: { readonly sticky: boolean; readonly inside?: string }): void {
  const stat = lstatSync(path)
  const needed = stat.isDirectory() ? 0o005 : 0o004
  const protectedBySticky = rule.sticky && (stat.mode & 0o1000) !== 0
  if (stat.uid !== 0) refuse(path, 'belongs to another user than root')
  if (stat.isSymbolicLink()) {
    if (rule.inside === undefined || !realpathSync(path).startsWith(`${rule.inside}/`))
      refuse(path, 'is a symbolic link out of the release')
  } else if ((stat.mode & 0o022) !== 0 && !protectedBySticky) {
    refuse(path, 'can be written by others than root')
  } else if ((stat.mode & needed) !== needed) {
    refuse(path, 'cannot be read by everyone')
  }
}

function refuse(path: string, why: string): never {
  throw new CannotStart(
    `${path} ${why}: as root, Postern starts only from a release that root alone can change; "postern setup" makes one`,
    EXIT.configuration,
  )
}
