import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AddressBlock } from '../contracts/settings.ts'
import { clientGroup, decideRelaying, relayRightOf } from './relaying.ts'

const from: readonly AddressBlock[] = [
  { address: '10.1.0.0', family: 4, prefix: 16 },
  { address: '192.0.2.7', family: 4, prefix: 32 },
  { address: '2001:db8::', family: 6, prefix: 33 },
]
const settings = {
  hostname: 'mail.example.org',
  domains: { 'example.org': { kind: 'accounts' }, '[192.0.2.1]': { kind: 'accounts' } },
  routes: [],
  local: { deliver: 'Maildir/', postmaster: 'root', systemAccounts: [] },
} as const
const stranger = relayRightOf('198.51.100.1', from)
const neighbour = relayRightOf('10.1.2.3', from)

test('who may relay is a matter of the client address alone', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['10.1.255.255', true],
    ['10.2.0.0', false],
    ['192.0.2.7', true],
    ['192.0.2.6', false],
    ['::ffff:10.1.2.3', true],
    ['2001:db8:7fff::1', true],
    ['2001:db8:8000::1', false],
    ['::10.1.2.3', false],
    ['not an address', false],
    ['', false],
  ]
  for (const [client, allowed] of cases) {
    assert.equal(relayRightOf(client, from).allowed, allowed, client)
  }
  assert.equal(neighbour.because, 'relay.from 10.1.0.0/16')
})

test('a recipient of ours is everybody’s business, all others need the right', () => {
  const cases = [
    ['example.org', 'ours', 'ours'],
    ['EXAMPLE.org', 'ours', 'ours'],
    ['', 'ours', 'ours'],
    ['[192.0.2.1]', 'ours', 'ours'],
    ['[127.0.0.1]', 'denied', 'accepted'],
    ['sub.example.org', 'denied', 'accepted'],
    ['elsewhere.test', 'denied', 'accepted'],
    ['constructor', 'denied', 'accepted'],
  ] as const
  for (const [domain, forStranger, forNeighbour] of cases) {
    const mailbox = { localPart: 'u', domain }
    assert.equal(decideRelaying(mailbox, stranger, settings).kind, forStranger, domain)
    assert.equal(decideRelaying(mailbox, neighbour, settings).kind, forNeighbour, domain)
  }
})

test('every decision names what decided', () => {
  const because = (domain: string) =>
    decideRelaying({ localPart: 'u', domain }, stranger, settings).because
  assert.equal(because('Example.org'), 'domains."example.org"')
  assert.equal(
    because('x.test'),
    'not a domain of ours, and the client is in no block of relay.from',
  )
})

test('an empty list of blocks lets nobody relay', () => {
  assert.equal(relayRightOf('127.0.0.1', []).allowed, false)
})

test('clients are counted by IPv4 address, or by IPv6 network', () => {
  assert.equal(clientGroup('192.0.2.1'), '192.0.2.1')
  assert.equal(clientGroup('2001:db8:1:2::1'), clientGroup('2001:db8:1:2:ffff::9'))
  assert.notEqual(clientGroup('2001:db8:1:2::1'), clientGroup('2001:db8:1:3::1'))
})
