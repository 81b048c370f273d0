import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNewName, formatTmpName, isOwnTmpName } from './maildir-name.ts'

const part = { microseconds: 1_795_000_000_000_123, pid: 42, count: 7, random: '0badcafe' }

test('a name holds time, process, file, count and chance', () => {
  assert.equal(formatTmpName(part, 'mx.example'), '1795000000.M123P42Q7R0badcafe.mx.example')
  assert.equal(
    formatNewName(part, 'mx.example', { dev: 0xfe01, ino: 0xbeef, size: 99 }),
    '1795000000.M123P42Vfe01IbeefQ7R0badcafe.mx.example,S=99',
  )
})

test('a slash or colon in the host name cannot leave the directory or begin the flags', () => {
  assert.match(formatTmpName(part, 'a/b:c'), /\.a\\057b\\072c$/)
})

test('only files of this program on this host are taken for its own', () => {
  assert.equal(isOwnTmpName(formatTmpName(part, 'mx.example'), 'mx.example'), true)
  assert.equal(isOwnTmpName(formatTmpName(part, 'other.example'), 'mx.example'), false)
  assert.equal(isOwnTmpName('1795000000.M1P2.mx.example', 'mx.example'), false)
})
