import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Destination, RoutingSettings } from './routing.ts'
import {
  agentOfLane,
  domainKey,
  isOwnDomain,
  laneOfAgent,
  mailboxGroups,
  route,
} from './routing.ts'

const SETTINGS: RoutingSettings = {
  hostname: 'mail.example.org',
  domains: {
    'example.org': { kind: 'accounts' },
    'shop.example': {
      kind: 'mailboxes',
      maildir: '/srv/mail/shop/{local}/',
      user: 'vmail',
      create: false,
    },
    'any.example': { kind: 'mailboxes', maildir: '/srv/any/{local}/', user: 'any', create: true },
  },
  routes: [
    { pattern: '*', to: 'host', host: 'smart.example', port: 587 },
    { pattern: '.example.com', to: 'host', host: 'hub.example.com', port: 26 },
    { pattern: 'direct.example.com', to: 'mx' },
    { pattern: '.deep.example.com', to: 'maildir', maildir: '/srv/caught/', user: 'vmail' },
  ],
  local: { deliver: 'Maildir/', postmaster: 'root-mail', systemAccounts: [] },
}

/** A destination in a few words. */
function words(destination: Destination): string {
  switch (destination.kind) {
    case 'unknown':
      return 'unknown'
    case 'remote': {
      const { nextHop } = destination
      return nextHop.kind === 'mx' ? `mx ${nextHop.domain}` : `host ${nextHop.host}:${nextHop.port}`
    }
    case 'local':
      return `${destination.agent.kind} ${destination.agent.name} ${destination.mailbox}`
  }
}

const TABLE = [
  { to: 'Joe@Example.ORG', leads: 'account joe Maildir/', why: 'accounts are lower case' },
  { to: 'joe@example.org.', leads: 'account joe Maildir/', why: 'a trailing dot is dropped' },
  { to: 'joe', leads: 'account joe Maildir/', why: 'no domain is this host' },
  { to: '"j o"@example.org', leads: 'unknown', why: 'no account name' },
  { to: '0@example.org', leads: 'unknown', why: 'it could be taken for a uid' },
  {
    to: 'POSTMASTER@example.org',
    leads: 'account root-mail Maildir/',
    why: 'RFC 5321 section 4.5.1',
  },
  { to: 'postmaster', leads: 'account root-mail Maildir/', why: 'RFC 5321 section 4.5.1' },
  {
    to: 'ROOT',
    leads: 'account root-mail Maildir/',
    why: 'USR-3: root gets no mail, a person does',
  },
  { to: 'Eve@shop.example', leads: 'mailboxes shop.example /srv/mail/shop/eve/', why: 'virtual' },
  { to: '../x@shop.example', leads: 'unknown', why: 'a leading dot' },
  { to: '"a/b"@shop.example', leads: 'unknown', why: 'a slash' },
  { to: 'postmaster@shop.example', leads: 'account root-mail Maildir/', why: 'nobody else has it' },
  {
    to: 'postmaster@any.example',
    leads: 'mailboxes any.example /srv/any/postmaster/',
    why: 'created',
  },
  { to: 'a@elsewhere.net', leads: 'host smart.example:587', why: 'the star' },
  { to: 'a@example.com', leads: 'host smart.example:587', why: 'a suffix is not its own domain' },
  { to: 'a@x.example.com', leads: 'host hub.example.com:26', why: 'the suffix' },
  { to: 'a@DIRECT.example.com', leads: 'mx direct.example.com', why: 'exact before suffix' },
  {
    to: 'a@b.deep.example.com',
    leads: 'mailboxes route .deep.example.com /srv/caught/',
    why: 'the longest suffix',
  },
]
for (const { to, leads, why } of TABLE) {
  test(`mail to ${to} leads to ${leads}: ${why}`, () => {
    const destination = route(to, SETTINGS)
    assert.equal(words(destination), leads)
    assert.notEqual(destination.because, '')
  })
}

test('without a route mail goes to the MX hosts of its domain, literals included', () => {
  const settings = { ...SETTINGS, routes: [] }
  assert.equal(words(route('a@Elsewhere.net', settings)), 'mx elsewhere.net')
  assert.equal(words(route('a@[192.0.2.1]', settings)), 'mx [192.0.2.1]')
})

test('a mailbox in the mail spool has an agent of its own kind', () => {
  const local = { ...SETTINGS.local, deliver: '/var/mail/{account}' }
  const destination = route('joe@example.org', { ...SETTINGS, local })
  assert.equal(words(destination), 'spool joe /var/mail/joe')
})

test('a postmaster that leads to itself ends at the account of that name', () => {
  const local = { ...SETTINGS.local, postmaster: 'Postmaster' }
  assert.equal(words(route('postmaster', { ...SETTINGS, local })), 'account postmaster Maildir/')
})

test('a postmaster elsewhere is remote', () => {
  const local = { ...SETTINGS.local, postmaster: 'help@partner.example' }
  assert.equal(words(route('postmaster', { ...SETTINGS, local, routes: [] })), 'mx partner.example')
})

test('addresses of one agent wait in one lane, of two agents in two', () => {
  const laneOf = (address: string) => {
    const destination = route(address, SETTINGS)
    return destination.kind === 'unknown' ? 'unknown' : destination.lane
  }
  assert.equal(laneOf('joe@example.org'), laneOf('JOE@example.org'))
  assert.equal(laneOf('a@shop.example'), laneOf('b@shop.example'))
  assert.notEqual(laneOf('joe@example.org'), laneOf('eve@example.org'))
})

test('names of JavaScript objects are ordinary domains', () => {
  for (const name of ['constructor', '__proto__', 'tostring']) {
    assert.equal(isOwnDomain(name, SETTINGS), false)
    assert.equal(words(route(`a@${name}`, { ...SETTINGS, routes: [] })), `mx ${name}`)
  }
})

test('whatever the local part, a virtual mailbox stays inside its directory', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (local) => {
      const quoted = `"${local.replaceAll(/["\\]/g, String.raw`\$&`)}"`
      const destination = route(`${quoted}@any.example`, SETTINGS)
      if (destination.kind !== 'local') return
      const name = destination.mailbox.slice('/srv/any/'.length, -1)
      assert.ok(destination.mailbox.startsWith('/srv/any/'))
      assert.ok(name !== '' && !name.startsWith('.') && !/[/\0]/.test(name))
    }),
  )
})

test('a local part too long for a file name is nobody’s, counted in bytes with what stands around it', () => {
  const kind = (local: string, step: string) => {
    const maildir = `/srv/${step}/Maildir/`
    const domain = { kind: 'mailboxes', maildir, user: 'vmail', create: true } as const
    return route(`${local}@x.example`, { ...SETTINGS, domains: { 'x.example': domain } }).kind
  }
  for (const [character, bytes] of [
    ['a', 1],
    ['\u00e9', 2],
    ['\u20ac', 3],
    ['\u{1f4e7}', 4],
  ] as const) {
    const most = Math.floor(255 / bytes)
    assert.equal(kind(character.repeat(most), '{local}'), 'local', character)
    assert.equal(kind(character.repeat(most + 1), '{local}'), 'unknown', character)
  }
  assert.equal(kind('a'.repeat(250), 'box-{local}-'), 'local')
  assert.equal(kind('a'.repeat(251), 'box-{local}-'), 'unknown')
  assert.equal(kind('a'.repeat(127), '{local}.{local}'), 'local')
  assert.equal(kind('a'.repeat(128), '{local}.{local}'), 'unknown')
  assert.equal(kind('a'.repeat(200), '{local}/{local}'), 'local')
})

test('a group of mailboxes is known by its key, its root is the fixed part of its path', () => {
  assert.deepEqual(mailboxGroups(SETTINGS), {
    'shop.example': { root: '/srv/mail/shop/', user: 'vmail' },
    'any.example': { root: '/srv/any/', user: 'any' },
    'route .deep.example.com': { root: '/srv/caught/', user: 'vmail' },
  })
})

test('domains compare in lower case, without one trailing dot', () => {
  assert.equal(domainKey('Example.ORG.'), 'example.org')
})

test('the lane of an agent names it', () => {
  const kinds = fc.constantFrom('account', 'spool', 'mailboxes')
  fc.assert(
    fc.property(kinds, fc.string({ maxLength: 30 }), (kind, name) => {
      assert.deepEqual(agentOfLane(laneOfAgent({ kind, name })), { kind, name })
    }),
  )
  for (const lane of ['remote/local/account/x', 'unknown', 'local/other/x', '']) {
    assert.equal(agentOfLane(lane), undefined)
  }
})
