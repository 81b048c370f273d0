import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { DISK } from './disk.ts'
import { tryLockFile } from './file-lock.ts'

function mailbox(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'postern-lock-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'Mailbox')
  const open = () => DISK.open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  return { path, request: { disk: DISK, path, open, now: () => Date.now() } }
}

test('both locks are taken and given back', async (t) => {
  const { path, request } = mailbox(t)
  const locked = await tryLockFile(request)
  assert.ok(locked !== 'busy')
  assert.equal(existsSync(`${path}.lock`), true)
  assert.equal(await tryLockFile(request), 'busy')
  await locked.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test("another process's fcntl lock is respected, and the dot-lock does not stay", async (t) => {
  const { path, request } = mailbox(t)
  const program = `
    const { native } = await import(${JSON.stringify(join(import.meta.dirname, 'native.ts'))})
    const { openSync } = await import('node:fs')
    ;(await native()).tryLock(openSync(${JSON.stringify(path)}, 'a+'))
    process.stdout.write('locked')
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  assert.equal(await tryLockFile(request), 'busy')
  assert.equal(existsSync(`${path}.lock`), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const locked = await tryLockFile(request)
  assert.ok(locked !== 'busy')
  await locked.release()
})

test('a dot-lock is removed once it is ten minutes old, not before', async (t) => {
  const { path, request } = mailbox(t)
  writeFileSync(`${path}.lock`, '1\n')
  assert.equal(await tryLockFile(request), 'busy')
  assert.equal(existsSync(`${path}.lock`), true)
  const old = Date.now() / 1_000 - 601
  utimesSync(`${path}.lock`, old, old)
  assert.equal(await tryLockFile(request), 'busy')
  const locked = await tryLockFile(request)
  assert.ok(locked !== 'busy')
  await locked.release()
})
