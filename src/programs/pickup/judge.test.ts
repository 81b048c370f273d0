import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileStatus } from './judge.ts'
import { judge, UNFINISHED_AFTER } from './judge.ts'

const NOW = 1_000_000_000_000
const OWN = { gid: 5 }
const MESSAGE: FileStatus = {
  isFile: true,
  isDirectory: false,
  links: 1,
  gid: 5,
  mode: 0o640,
  changedAt: NOW,
}
const OLD = NOW - UNFINISHED_AFTER - 1

const judged = (difference: Partial<FileStatus>) => {
  const judgement = judge({ ...MESSAGE, ...difference }, OWN, NOW)
  return judgement.kind === 'foreign' ? `removed: ${judgement.remove}` : judgement.kind
}

test('a regular file with one name, the own group and mode 0640 is a message, however old', () => {
  assert.equal(judged({}), 'message')
  assert.equal(judged({ changedAt: 0 }), 'message')
})

test('mode 0600 is one that is being written, for 36 hours', () => {
  assert.equal(judged({ mode: 0o600 }), 'unfinished')
  assert.equal(judged({ mode: 0o600, changedAt: OLD }), 'removed: true')
})

test('what can be no message is removed at once', () => {
  assert.equal(judged({ isFile: false }), 'removed: true')
  assert.equal(judged({ isFile: false, isDirectory: true }), 'removed: true')
  assert.equal(judged({ links: 2 }), 'removed: true')
})

test('another mode or group is left for 36 hours, for somebody to look at', () => {
  for (const mode of [0o644, 0o440, 0o2640, 0o4640, 0o641, 0]) {
    assert.equal(judged({ mode }), 'removed: false')
    assert.equal(judged({ mode, changedAt: OLD }), 'removed: true')
  }
  assert.equal(judged({ gid: 6 }), 'removed: false')
})
