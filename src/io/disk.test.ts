import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { constants, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { attempt, DISK, unless } from './disk.ts'

test('what the system says no to becomes a value; a mistake of ours stays an exception', async () => {
  const missing = await attempt(() => DISK.look('/nonexistent/file'))
  assert.equal(missing.ok ? '' : missing.problem.code, 'ENOENT')
  await assert.rejects(
    attempt(async () => {
      throw new Error('a mistake')
    }),
  )
  assert.equal(await unless('ENOENT', () => DISK.look('/nonexistent/file')), undefined)
  await assert.rejects(unless('EXDEV', () => DISK.look('/nonexistent/file')))
})

test('all of a large piece is written, and read back in one call', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-disk-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'x')
  const descriptor = await DISK.open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const bytes = Buffer.alloc(3_000_000, 'abc')
  await DISK.write(descriptor, bytes)
  await DISK.sync(descriptor)
  const into = Buffer.alloc(bytes.length + 10)
  assert.equal(await DISK.read(descriptor, into, 0), bytes.length)
  DISK.close(descriptor)
  assert.ok(readFileSync(path).equals(bytes))
})

test("sync works under Node's permission model, where fs.fsync is refused", (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-disk-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const root = resolve(import.meta.dirname, '../..')
  const program = `
    const { DISK } = await import(${JSON.stringify(join(import.meta.dirname, 'disk.ts'))})
    const file = await DISK.open(${JSON.stringify(join(directory, 'x'))}, 0o101, 0o600)
    await DISK.write(file, Buffer.from('x'))
    await Promise.all(Array.from({ length: 300 }, () => DISK.sync(file)))
    const above = await DISK.open(${JSON.stringify(directory)}, 0)
    await DISK.sync(above)
    process.stdout.write('synced')`
  const flags = [`--allow-fs-read=${root}`, `--allow-fs-read=${directory}`]
  const ran = spawnSync(
    process.execPath,
    [
      '--permission',
      '--allow-addons',
      ...flags,
      `--allow-fs-write=${directory}`,
      '--input-type=module',
      '-e',
      program,
    ],
    { encoding: 'utf8' },
  )
  assert.equal(ran.stdout, 'synced', ran.stderr)
})
