import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DirectorySync } from './directory-sync.ts'
import type { Disk } from './disk.ts'
import { DISK } from './disk.ts'

/** A disk whose syncs end when the test says so. */
function slowDisk() {
  const waiting: { end: () => void; fail: () => void }[] = []
  let begun = 0
  const disk: Disk = {
    ...DISK,
    open: async () => 7,
    close: () => undefined,
    sync: () => {
      begun += 1
      return new Promise((resolve, reject) =>
        waiting.push({ end: () => resolve(), fail: () => reject(new Error('EIO')) }),
      )
    },
  }
  return { disk, waiting, begun: () => begun }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('whoever comes while a sync runs waits for the next, and all of them share it', async () => {
  const { disk, waiting, begun } = slowDisk()
  const directories = new DirectorySync(disk)
  const first = directories.sync('/a')
  await turn()
  const later = [directories.sync('/a'), directories.sync('/a'), directories.sync('/a')]
  await turn()
  assert.equal(begun(), 1)
  waiting[0]?.end()
  await first
  await turn()
  assert.equal(begun(), 2)
  waiting[1]?.end()
  await Promise.all(later)
  assert.equal(begun(), 2)
})

test('a sync that fails fails for those who waited for it, and the next is tried anew', async () => {
  const { disk, waiting, begun } = slowDisk()
  const directories = new DirectorySync(disk)
  const first = directories.sync('/a')
  await turn()
  const second = directories.sync('/a')
  waiting[0]?.fail()
  await assert.rejects(first)
  await turn()
  waiting[1]?.end()
  await second
  assert.equal(begun(), 2)
})

test('directories do not wait for each other', async () => {
  const { disk, waiting, begun } = slowDisk()
  const directories = new DirectorySync(disk)
  const both = [directories.sync('/a'), directories.sync('/b')]
  await turn()
  assert.equal(begun(), 2)
  for (const one of waiting) one.end()
  await Promise.all(both)
})
