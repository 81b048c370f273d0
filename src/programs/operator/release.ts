/**
 * A release: the directory the programs are started from as root. Everything in it is root's and can be
 * read by everyone.
 *
 *     PREFIX/lib/postern/releases/RELEASE/node                      the Node.js of this release
 *                                        /dist/                     the programs
 *                                        /node_modules/             koffi, the one native package
 *                                        /bin/                      postern, sendmail, mailq
 *                                        /drop-directory            where sendmail leaves messages
 *     PREFIX/lib/postern/current  →  releases/RELEASE
 *
 * `current` is turned over last and at once, so what it names is always whole. A running supervisor goes on
 * from its own release.
 */

import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { BUNDLES, HOME } from './code.ts'

interface ReleaseFile {
  readonly from: string
  readonly to: string
  readonly mode: number
}

const EXECUTABLE = 0o755
const READABLE = 0o644
/** Larger files are the same if their sizes and times are. */
const LARGEST_COMPARED = 4_194_304

/** What a release consists of, relative to its directory. */
export function filesOfRelease(): readonly ReleaseFile[] {
  const below = (directory: string, to: string, mode: number) =>
    globSync('**/*', { cwd: directory, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((from) => ({ from, to: join(to, from.slice(directory.length)), mode }))
  const native = ['koffi', ...globSync('@koromix/*', { cwd: join(HOME, 'node_modules') })]
  return [
    { from: process.execPath, to: 'node', mode: EXECUTABLE },
    ...below(BUNDLES, 'dist', READABLE),
    ...below(join(HOME, 'bin'), 'bin', EXECUTABLE),
    ...native.flatMap((name) =>
      below(join(HOME, 'node_modules', name), join('node_modules', name), READABLE),
    ),
  ]
}

export function hasFiles(directory: string, files: readonly ReleaseFile[]): boolean {
  return files.every(({ from, to, mode }) => {
    const copy = join(directory, to)
    if (!existsSync(copy)) return false
    const [one, other] = [statSync(from), statSync(copy)]
    if (one.size !== other.size || (other.mode & 0o7777) !== mode || other.uid !== 0) return false
    return one.size > LARGEST_COMPARED || readFileSync(from).equals(readFileSync(copy))
  })
}

export function copyFiles(directory: string, files: readonly ReleaseFile[]): void {
  for (const { from, to, mode } of files) {
    const copy = join(directory, to)
    makeDirectories(dirname(copy))
    const unfinished = `${copy}.new`
    copyFileSync(from, unfinished, constants.COPYFILE_FICLONE)
    chmodSync(unfinished, mode)
    chownSync(unfinished, 0, 0)
    renameSync(unfinished, copy)
  }
}

/** Directories that everyone may enter, whatever the umask of the caller. */
export function makeDirectories(directory: string): void {
  if (existsSync(directory)) return
  makeDirectories(dirname(directory))
  mkdirSync(directory)
  chmodSync(directory, EXECUTABLE)
}

export function leadsTo(link: string, target: string): boolean {
  try {
    return readlinkSync(link) === target
  } catch {
    return false
  }
}

export function turnOver(link: string, target: string): void {
  makeDirectories(dirname(link))
  const unfinished = `${link}.new`
  rmSync(unfinished, { force: true })
  symlinkSync(target, unfinished)
  renameSync(unfinished, link)
}

/** Somebody else's: not to be replaced. */
export function isForeign(link: string, below: string): boolean {
  if (!existsSync(link) && !isLink(link)) return false
  return !isLink(link) || !readlinkSync(link).startsWith(below)
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

export function holds(file: string, text: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8') === text
}

export function writeWhole(file: string, text: string): void {
  makeDirectories(dirname(file))
  writeFileSync(`${file}.new`, text)
  chmodSync(`${file}.new`, READABLE)
  renameSync(`${file}.new`, file)
}
