import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CannotStart } from './cannot-start.ts'
import { demandRootsOwn, readRelease } from './release.ts'

const notRoot = process.getuid?.() === 0 ? false : 'needs root: it makes files of several owners'

function withRelease(use: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'postern-release-'))
  chmodSync(directory, 0o755)
  writeFileSync(join(directory, 'release.json'), '{ "release": "1.2-abc" }', { mode: 0o644 })
  mkdirSync(join(directory, 'inner'), { mode: 0o755 })
  writeFileSync(join(directory, 'inner/queue.mjs'), '', { mode: 0o644 })
  try {
    use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('a release tells its name; what is none says which file is at fault', () => {
  withRelease((directory) => {
    assert.equal(readRelease(directory), '1.2-abc')
    writeFileSync(join(directory, 'release.json'), '{}')
    assert.throws(() => readRelease(directory), /release\.json: release: not a text/)
    rmSync(join(directory, 'release.json'))
    assert.throws(() => readRelease(directory), CannotStart)
  })
})

test('a release that root alone can change is good, in a sticky directory too', {
  skip: notRoot,
}, () => {
  withRelease(demandRootsOwn)
})

const SPOILED: readonly (readonly [string, (directory: string) => void, RegExp])[] = [
  [
    'a file others may write',
    (d) => chmodSync(join(d, 'inner/queue.mjs'), 0o666),
    /queue.mjs can be written/,
  ],
  [
    'a directory its group may write',
    (d) => chmodSync(join(d, 'inner'), 0o775),
    /inner can be written/,
  ],
  ['a sticky directory within', (d) => chmodSync(join(d, 'inner'), 0o1777), /inner can be written/],
  [
    'a file of another user',
    (d) => chownSync(join(d, 'inner/queue.mjs'), 1_234, 0),
    /another user/,
  ],
  ['the release of another user', (d) => chownSync(d, 1_234, 0), /another user/],
  [
    'a file others cannot read',
    (d) => chmodSync(join(d, 'inner/queue.mjs'), 0o600),
    /cannot be read/,
  ],
  ['a directory others cannot enter', (d) => chmodSync(d, 0o750), /cannot be read/],
  [
    'a link out of it',
    (d) => symlinkSync('/etc/passwd', join(d, 'link')),
    /link out of the release/,
  ],
]
for (const [what, spoil, message] of SPOILED) {
  test(`a release with ${what} is refused, and it says so`, { skip: notRoot }, () => {
    withRelease((directory) => {
      spoil(directory)
      assert.throws(() => demandRootsOwn(directory), message)
    })
  })
}

test('a link within the release is good', { skip: notRoot }, () => {
  withRelease((directory) => {
    symlinkSync('inner/queue.mjs', join(directory, 'link'))
    demandRootsOwn(directory)
  })
})
