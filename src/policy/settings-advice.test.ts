import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Settings } from '../contracts/settings.ts'
import { SETTINGS } from '../contracts/settings-table.ts'
import { NOWHERE, type Plain, writtenOf } from '../contracts/settings-written.ts'
import { adviseOn } from './settings-advice.ts'

function settingsOf(plain: Plain): Settings {
  const context = { directory: undefined, toAscii: (domain: string) => domain }
  const { value, troubles } = SETTINGS.read(writtenOf(plain), context, NOWHERE)
  assert.deepEqual(troubles, [])
  assert.ok(value)
  return value
}

const hostname = 'mail.example.org'
const adviceOn = (plain: { readonly [name: string]: Plain }) =>
  adviseOn(settingsOf({ hostname, ...plain }))
const pathsOf = (advice: readonly { readonly path: readonly string[] }[]) =>
  advice.map(({ path }) => path.join('.'))

test('the initial settings of a single host need no advice', () => {
  assert.deepEqual(adviceOn({}), { problems: [], warnings: [] })
})

test('a relay open to everyone is refused, unless only this host can reach it', () => {
  for (const block of ['0.0.0.0/0', '::/0', '0.0.0.0/1', '128.0.0.0/1']) {
    const relay = { from: [block] }
    assert.deepEqual(pathsOf(adviceOn({ relay }).problems), ['relay.from'], block)
    const listen = { smtp: ['127.0.0.1:25', '[::1]:25'] }
    assert.deepEqual(adviceOn({ relay, listen }).problems, [], block)
  }
})

test('a very wide block to relay for is worth a warning; private networks are not', () => {
  assert.deepEqual(pathsOf(adviceOn({ relay: { from: ['2000::/16'] } }).warnings), ['relay.from'])
  assert.deepEqual(adviceOn({ relay: { from: ['10.0.0.0/8', 'fd00::/48', '::1'] } }).warnings, [])
})

test('directories of different users must not lie in each other', () => {
  const inQueue = { paths: { queue: '/var/q', drop: '/var/q/drop', run: '/var/q' } }
  assert.deepEqual(pathsOf(adviceOn(inQueue).problems), ['paths.drop', 'paths.run', 'paths.run'])
  const mailbox = { domains: { [hostname]: { maildir: '/run/postern/{local}', user: 'vmail' } } }
  assert.deepEqual(pathsOf(adviceOn(mailbox).problems), [`domains.${hostname}.maildir`])
})

test('a host whose own name leads elsewhere is worth a warning, unless a route says so', () => {
  const domains = { 'example.org': {} }
  assert.deepEqual(pathsOf(adviceOn({ domains }).warnings), ['hostname'])
  assert.deepEqual(adviceOn({ domains, routes: { '*': 'smtp://smart.example' } }).warnings, [])
})

test('a postmaster who can get no mail is worth a warning', () => {
  assert.deepEqual(pathsOf(adviceOn({ local: { postmaster: 'root' } }).warnings), [
    'local.postmaster',
  ])
})
