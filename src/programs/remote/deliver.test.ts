import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { FakeZone } from '../../../test/support/fake-dns.ts'
import { fakeDns } from '../../../test/support/fake-dns.ts'
import type { ScriptedPeer } from '../../../test/support/scripted-peer.ts'
import { HELLO, scriptedPeer, TAKEN } from '../../../test/support/scripted-peer.ts'
import type { NextHop, RemoteDelivery, SiteNotice } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import { outcome as outcomeShape } from '../../contracts/outcome.ts'
import { dial } from '../../io/smtp-socket.ts'
import { ownAddresses } from '../../protocol/dns/own-address.ts'
import { Content } from './content.ts'
import type { World } from './deliver.ts'
import { deliver } from './deliver.ts'
import { POOL_LIMITS, Pool } from './pool.ts'
import { TIMEOUTS_MS } from './timeouts.ts'

const TO_DOMAIN: NextHop = { kind: 'mx', domain: 'example.test' }

function delivery(nextHop: NextHop, more: Partial<RemoteDelivery> = {}): RemoteDelivery {
  return {
    type: 'deliver',
    queueId: 'Q1',
    nextHop,
    reversePath: 'a@b.test',
    size: 12,
    recipients: [{ recipient: 0, address: 'joe@example.test' }],
    body: '7bit',
    smtputf8: false,
    ...more,
  }
}

const recipients = (...addresses: readonly string[]) =>
  addresses.map((address, recipient) => ({ recipient, address }))

interface Setup {
  readonly zone?: FakeZone
  /** The host that answers at an address; at all others nobody does. */
  readonly peers?: Readonly<Record<string, ScriptedPeer>>
  readonly world?: Partial<World>
}

function worldFor(t: TestContext, { zone = {}, peers = {}, world = {} }: Setup) {
  const notices: SiteNotice[] = []
  const dialled: string[] = []
  const pool = new Pool(() => 0, POOL_LIMITS)
  t.after(() => pool.close())
  const made: World = {
    hostname: 'mail.us.test',
    resolver: fakeDns(zone),
    dial: (options) => {
      dialled.push(options.address)
      const port = peers[options.address]?.port ?? 1
      return dial({ ...options, address: '127.0.0.1', port })
    },
    pool,
    own: () => ownAddresses(['198.51.100.1'], 'mail.us.test'),
    timeouts: TIMEOUTS_MS,
    random: () => 0,
    now: () => 0,
    notice: (notice) => notices.push(notice),
    ...world,
  }
  return { world: made, notices, dialled, pool }
}

interface Result {
  readonly outcomes: readonly (Outcome | undefined)[]
  readonly granted: number
}

async function run(
  request: RemoteDelivery,
  world: World,
  content: string | readonly string[] = 'a: b\n\nhello\n',
): Promise<Result> {
  const outcomes: (Outcome | undefined)[] = []
  let granted = 0
  const feed = new Content(request.size, (bytes) => (granted += bytes))
  for (const piece of typeof content === 'string' ? [content] : content) {
    feed.receive(Buffer.from(piece, 'latin1'))
  }
  feed.receiveEnd()
  const tell = (verdict: { readonly recipient: number; readonly outcome: Outcome }) => {
    assert.equal(outcomes[verdict.recipient], undefined, 'told twice')
    assert.ok(outcomeShape(verdict.outcome).ok, JSON.stringify(verdict.outcome))
    outcomes[verdict.recipient] = verdict.outcome
  }
  await deliver({ delivery: request, content: feed, tell }, world)
  return { outcomes, granted }
}

/** `failed 5.1.1`, and so on. */
const briefly = (outcomes: readonly (Outcome | undefined)[]) =>
  outcomes.map((outcome) => (outcome === undefined ? '-' : `${outcome.kind} ${outcome.status}`))

async function peerFor(t: TestContext, ...scripts: readonly (readonly string[])[]) {
  const peer = await scriptedPeer(...scripts)
  t.after(() => peer.close())
  return peer
}

/** One host at the end of a route, and what became of the recipients. */
async function against(
  t: TestContext,
  script: readonly string[],
  more: Partial<RemoteDelivery> & { readonly content?: string } = {},
) {
  const { content, ...fields } = more
  const peer = await peerFor(t, script)
  const { world } = worldFor(t, { peers: { '192.0.2.1': peer } })
  const timeouts = { ...TIMEOUTS_MS, greeting: 200, hello: 200, mail: 200, dataEnd: 200 }
  const request = delivery({ kind: 'host', host: '192.0.2.1', port: 2525 }, fields)
  const result = await run(request, { ...world, timeouts }, content)
  return { ...result, peer, first: result.outcomes[0] }
}

test('a message is delivered through the MX host of its domain, and the site is told', async (t) => {
  const peer = await peerFor(t, [...HELLO.slice(0, 2), 'S: 250 peer.test', ...TAKEN])
  const { world, notices } = worldFor(t, {
    zone: { 'example.test': { mx: [[10, 'mx.test']] }, 'mx.test': { a: ['192.0.2.1'] } },
    peers: { '192.0.2.1': peer },
  })
  const { outcomes } = await run(delivery(TO_DOMAIN), world)
  assert.deepEqual(outcomes, [
    {
      kind: 'delivered',
      status: '2.0.0',
      host: 'mx.test [192.0.2.1]:25',
      reply: '250 2.0.0 taken',
      text: 'mx.test [192.0.2.1]:25 took the message: 250 2.0.0 taken',
    },
  ])
  assert.deepEqual(peer.heard.slice(0, 4), [
    'EHLO mail.us.test',
    'MAIL FROM:<a@b.test>',
    'RCPT TO:<joe@example.test>',
    'DATA',
  ])
  assert.deepEqual(peer.contents, ['a: b\r\n\r\nhello\r\n.\r\n'])
  assert.deepEqual(notices, [
    { type: 'site', domain: 'example.test', site: 'mx.test', ttlSeconds: 60 },
  ])
})

const TWO_HOSTS: FakeZone = {
  'example.test': {
    mx: [
      [20, 'b.test'],
      [10, 'a.test'],
    ],
  },
  'a.test': { a: ['192.0.2.1'] },
  'b.test': { a: ['192.0.2.2'] },
}
const GOOD = [...HELLO.slice(0, 2), 'S: 250 peer.test', ...TAKEN]

test('SMC-1: the best host refuses the connection, and the next takes the message', async (t) => {
  const peer = await peerFor(t, GOOD)
  const { world, dialled } = worldFor(t, { zone: TWO_HOSTS, peers: { '192.0.2.2': peer } })
  const { outcomes } = await run(delivery(TO_DOMAIN), world)
  assert.deepEqual(briefly(outcomes), ['delivered 2.0.0'])
  assert.deepEqual(dialled, ['192.0.2.1', '192.0.2.2'])
})

for (const [script, why] of [
  [['S: 421 later'], 'SMC-2: greets with 421'],
  [['S: 554 no'], 'greets with 554'],
  [['S: 220 hi', 'C: EHLO', 'S: 451 later'], 'puts EHLO off'],
  [['S: 220 hi', 'C: EHLO', 'S: 502 what', 'C: HELO', 'S: 550 no'], 'refuses EHLO and HELO'],
  [['S: hello there'], 'speaks no SMTP'],
  [['cut'], 'resets the connection'],
  [['S: 220 hi', 'C: EHLO', 'close'], 'closes after EHLO'],
  [[...HELLO, 'C: MAIL', 'S: 421 bye', 'close'], 'leaves with 421 at MAIL'],
  [[...HELLO, 'C: MAIL', 'S: 250 ok', 'C: RCPT', 'cut'], 'is cut off at RCPT'],
] as const) {
  test(`where the best host ${why}, the next takes the message`, async (t) => {
    const peers = { '192.0.2.1': await peerFor(t, script), '192.0.2.2': await peerFor(t, GOOD) }
    const { world } = worldFor(t, { zone: TWO_HOSTS, peers })
    const { outcomes } = await run(delivery(TO_DOMAIN), world)
    assert.deepEqual(briefly(outcomes), ['delivered 2.0.0'])
  })
}

test('recipients that one host has decided about are not told to the next', async (t) => {
  const first = await peerFor(t, [
    ...HELLO,
    'C: MAIL',
    'S: 250 ok\n550 5.1.1 no such user\n250 ok\n421 4.3.2 shutting down',
  ])
  const peers = { '192.0.2.1': first, '192.0.2.2': await peerFor(t, GOOD) }
  const { world } = worldFor(t, { zone: TWO_HOSTS, peers })
  const request = delivery(TO_DOMAIN, { recipients: recipients('x@e.test', 'y@e.test') })
  const { outcomes } = await run(request, world)
  assert.deepEqual(briefly(outcomes), ['failed 5.1.1', 'delivered 2.0.0'])
  assert.deepEqual(
    peers['192.0.2.2'].heard.filter((line) => line.startsWith('RCPT')),
    ['RCPT TO:<y@e.test>'],
  )
})

test('no host can be reached: deferred, and the site is marked unreachable', async (t) => {
  const { world } = worldFor(t, { zone: TWO_HOSTS })
  const { outcomes } = await run(delivery(TO_DOMAIN), world)
  assert.deepEqual(briefly(outcomes), ['deferred 4.4.1'])
  assert.equal(outcomes[0]?.unreachable, true)
  assert.match(outcomes[0]?.text ?? '', /a\.test \[192\.0\.2\.1\]:25: connection refused; b\.test/)
})

test('a host that was reached and refused to talk is deferred, but not unreachable', async (t) => {
  const { first } = await against(t, ['S: 554 5.7.1 go away'])
  assert.deepEqual(briefly([first]), ['deferred 4.3.2'])
  assert.equal(first?.unreachable, undefined)
  assert.equal(first?.reply, '554 5.7.1 go away')
})

for (const [zone, expected, why] of [
  [{}, 'failed 5.1.2', 'SMC-6: a domain that does not exist'],
  [{ 'example.test': 'fails' }, 'deferred 4.4.3', 'SMC-6: a domain whose DNS fails'],
  [{ 'example.test': { mx: [[0, '.']] } }, 'failed 5.1.10', 'a null MX'],
  [{ 'example.test': {} }, 'failed 5.4.4', 'a domain without MX and address'],
  [{ 'example.test': { mx: [[1, 'gone.test']] } }, 'failed 5.4.4', 'an MX host without address'],
  [
    { 'example.test': { mx: [[1, 'x.test']] }, 'x.test': 'fails' },
    'deferred 4.4.3',
    'an MX host whose address cannot be looked up',
  ],
  [
    { 'example.test': { mx: [[1, 'us.test']] }, 'us.test': { a: ['198.51.100.1'] } },
    'failed 5.4.6',
    'SMC-4: this host as the only MX',
  ],
  [
    { 'example.test': { a: ['127.0.0.1'] } },
    'failed 5.4.6',
    'a domain without MX whose address is loopback',
  ],
] as const satisfies readonly (readonly [FakeZone, string, string])[]) {
  test(`${why}: ${expected}`, async (t) => {
    const { world, dialled } = worldFor(t, { zone })
    const { outcomes } = await run(delivery(TO_DOMAIN), world)
    assert.deepEqual(briefly(outcomes), [expected])
    assert.deepEqual(dialled, [])
  })
}

test('SMC-5: this host is the second MX and the first is down: deferred, never sent to itself', async (t) => {
  const { world, dialled } = worldFor(t, {
    zone: { ...TWO_HOSTS, 'b.test': { a: ['198.51.100.1'] } },
  })
  const { outcomes } = await run(delivery(TO_DOMAIN), world)
  assert.deepEqual(briefly(outcomes), ['deferred 4.4.1'])
  assert.deepEqual(dialled, ['192.0.2.1'])
})

test('a domain without MX records is reached at its own address', async (t) => {
  const { world } = worldFor(t, {
    zone: { 'example.test': { a: ['192.0.2.1'] } },
    peers: { '192.0.2.1': await peerFor(t, GOOD) },
  })
  assert.deepEqual(briefly((await run(delivery(TO_DOMAIN), world)).outcomes), ['delivered 2.0.0'])
})

test('IPv6 is tried first, and IPv4 beside it when it does not answer', async (t) => {
  const peer = await peerFor(t, GOOD)
  const { world, dialled } = worldFor(t, {
    zone: { 'example.test': { a: ['192.0.2.1'], aaaa: ['2001:db8::1'] } },
  })
  const silent: World['dial'] = async (options) => {
    dialled.push(options.address)
    if (options.address.includes(':')) {
      await new Promise((resolve) => options.signal.addEventListener('abort', resolve))
      return { ok: false, problem: 'given up' }
    }
    return await dial({ ...options, address: '127.0.0.1', port: peer.port })
  }
  const timeouts = { ...TIMEOUTS_MS, stagger: 5 }
  const { outcomes } = await run(delivery(TO_DOMAIN), { ...world, dial: silent, timeouts })
  assert.deepEqual(briefly(outcomes), ['delivered 2.0.0'])
  assert.deepEqual(dialled, ['2001:db8::1', '192.0.2.1'])
})

test('SMC-13: an address literal is connected to, unless it is this host', async (t) => {
  const { world } = worldFor(t, { peers: { '192.0.2.1': await peerFor(t, GOOD) } })
  const outcomeAt = async (domain: string) =>
    briefly((await run(delivery({ kind: 'mx', domain }), world)).outcomes)[0]
  assert.equal(await outcomeAt('[192.0.2.1]'), 'delivered 2.0.0')
  assert.equal(await outcomeAt('[198.51.100.1]'), 'failed 5.4.6')
  assert.equal(await outcomeAt('[IPv6:::1]'), 'failed 5.4.6')
})

test('the host of a route is not checked for being this host, and its MX is not asked for', async (t) => {
  const dns = fakeDns({ 'hub.test': { a: ['127.0.0.1'], mx: [[1, 'x.test']] } })
  const { world } = worldFor(t, {
    peers: { '127.0.0.1': await peerFor(t, GOOD) },
    world: { resolver: dns },
  })
  const route: NextHop = { kind: 'host', host: 'hub.test', port: 26 }
  assert.deepEqual(briefly((await run(delivery(route), world)).outcomes), ['delivered 2.0.0'])
  assert.deepEqual(dns.asked, ['AAAA hub.test', 'A hub.test'])
})

test('a route to a host that does not exist returns no mail', async (t) => {
  const { world } = worldFor(t, {})
  const route: NextHop = { kind: 'host', host: 'hub.test', port: 26 }
  assert.deepEqual(briefly((await run(delivery(route), world)).outcomes), ['deferred 4.3.5'])
})

test('SMC-7: recipients of one transaction get a verdict each, and the final reply counts for those taken', async (t) => {
  for (const [final, expected] of [
    ['S: 250 ok', 'delivered 2.0.0'],
    ['S: 451 4.3.0 disk', 'deferred 4.3.0'],
    ['S: 554 5.7.1 spam', 'failed 5.7.1'],
    ['S: 354 what', 'deferred 4.5.0'],
    ['S: 421 bye', 'deferred 4.3.2'],
    ['S: garbage', 'deferred 4.4.2'],
    ['cut', 'deferred 4.4.2'],
    ['wait', 'deferred 4.4.2'],
  ] as const) {
    const { outcomes } = await against(
      t,
      [
        ...HELLO,
        'C: MAIL',
        'S: 250\n550 no\n450 busy\n250 ok',
        'C: RCPT',
        'C: RCPT',
        'C: RCPT',
        'C: DATA',
        'S: 354',
        'C: content',
        final,
      ],
      { recipients: recipients('a@e.test', 'b@e.test', 'c@e.test') },
    )
    assert.deepEqual(briefly(outcomes), ['failed 5.0.0', 'deferred 4.0.0', expected])
    const warned = /duplicate/.test(outcomes[2]?.text ?? '')
    assert.equal(warned, expected === 'deferred 4.4.2', `${final}: ${outcomes[2]?.text}`)
  }
})

test('SMC-9: a reply of 100 lines with a line of 1 MB is taken, and its quotation is capped', async (t) => {
  const many = `${'550-line\n'.repeat(99)}550 ${'x'.repeat(1_000_000)}`
  const { first } = await against(t, [
    ...HELLO,
    'C: MAIL',
    `S: 250 ok\n${many}\n554 no`,
    'C: RCPT',
    'C: DATA',
    'C: RSET',
    'S: 250 ok',
  ])
  assert.deepEqual(briefly([first]), ['failed 5.0.0'])
  assert.ok((first?.reply ?? '').length <= 1_000)
})

test('SMC-10: a host that is silent after MAIL is deferred', async (t) => {
  const { first } = await against(t, [...HELLO, 'C: MAIL', 'wait'])
  assert.deepEqual(briefly([first]), ['deferred 4.4.2'])
  assert.match(first?.text ?? '', /no reply in time/)
})

test('SMC-12: a local part is quoted where it needs to be', async (t) => {
  const { peer } = await against(t, [...HELLO, ...TAKEN], {
    recipients: recipients('"a b"@x.test'),
  })
  assert.ok(peer.heard.includes('RCPT TO:<"a b"@x.test>'))
})

test('with PIPELINING the envelope and DATA leave before the first reply', async (t) => {
  const { first, peer } = await against(t, [
    ...HELLO,
    'C: MAIL',
    'C: RCPT',
    'C: DATA',
    'S: 250 ok\n250 ok\n354 go',
    'C: content',
    'S: 250 ok',
  ])
  assert.deepEqual(briefly([first]), ['delivered 2.0.0'])
  assert.deepEqual(peer.problems, [])
})

test('an old server that does not know EHLO is spoken to with HELO, one command at a time', async (t) => {
  const { first, peer } = await against(t, [
    'S: 220 old',
    'C: EHLO',
    'S: 500 what?',
    'C: HELO mail.us.test',
    'S: 250 old',
    ...TAKEN,
  ])
  assert.deepEqual(briefly([first]), ['delivered 2.0.0'])
  assert.deepEqual(peer.problems, [])
})

test('where no recipient is taken the transaction is reset and the connection kept', async (t) => {
  const hello = [...HELLO.slice(0, 2), 'S: 250 peer.test']
  const refused = ['C: MAIL', 'S: 250 ok', 'C: RCPT', 'S: 550 5.1.1 no', 'C: RSET', 'S: 250 ok']
  const peer = await peerFor(t, [...hello, ...refused, ...TAKEN])
  const { world } = worldFor(t, { peers: { '192.0.2.1': peer } })
  const route: NextHop = { kind: 'host', host: '192.0.2.1', port: 2525 }
  assert.deepEqual(briefly((await run(delivery(route), world)).outcomes), ['failed 5.1.1'])
  assert.deepEqual(briefly((await run(delivery(route), world)).outcomes), ['delivered 2.0.0'])
  assert.equal(peer.connections, 1)
  assert.deepEqual(peer.problems, [])
})

test('a pipelined DATA that is answered 354 without recipients gets a lone dot', async (t) => {
  const { first, peer } = await against(t, [
    ...HELLO,
    'C: MAIL',
    'C: RCPT',
    'C: DATA',
    'S: 250 ok\n450 4.2.1 busy\n354 go',
    'C: .',
    'S: 250 nothing',
  ])
  assert.deepEqual(briefly([first]), ['deferred 4.2.1'])
  assert.deepEqual(peer.problems, [])
})

test('a larger message than the host takes fails without a word, and the connection stays good', async (t) => {
  const script = ['S: 220 hi', 'C: EHLO', 'S: 250-hi\n250 SIZE 1000', 'C: QUIT']
  const { first, peer } = await against(t, script, { size: 1_001 })
  assert.deepEqual(briefly([first]), ['failed 5.3.4'])
  assert.deepEqual(
    peer.heard.filter((line) => !line.startsWith('EHLO')),
    [],
  )
})

test('8-bit content goes to no host without 8BITMIME, and is cut off before the final dot', async (t) => {
  const hello = [...HELLO.slice(0, 2), 'S: 250 peer.test']
  const bytes = await against(t, [...hello, ...TAKEN], { body: '8bitmime', content: 'x\n\xe4\n' })
  assert.deepEqual(briefly(bytes.outcomes), ['failed 5.6.3'])
  assert.deepEqual(bytes.peer.contents, [])
  const ascii = await against(t, [...hello, ...TAKEN], { body: '8bitmime' })
  assert.deepEqual(briefly(ascii.outcomes), ['delivered 2.0.0'])
  const undeclared = await against(t, [...hello, ...TAKEN], { content: '\xe4\n' })
  assert.deepEqual(briefly(undeclared.outcomes), ['delivered 2.0.0'])
})

for (const content of ['a\r\n.\r\nMAIL FROM:<x>\n', 'a\r.\n', 'a\0b\n']) {
  test(`content ${JSON.stringify(content)} is refused, and no host is given a message`, async (t) => {
    const { first, peer } = await against(t, [...HELLO, ...TAKEN], { content })
    assert.deepEqual(briefly([first]), ['failed 5.6.0'])
    assert.deepEqual(peer.contents, [])
  })
}

test('a connection is used for the next message to the same site', async (t) => {
  const peer = await peerFor(t, [...HELLO, ...TAKEN, ...TAKEN])
  const { world } = worldFor(t, {
    zone: {
      'example.test': { mx: [[1, 'x.test']] },
      'other.test': { mx: [[5, 'x.test']] },
      'x.test': { a: ['192.0.2.1'] },
    },
    peers: { '192.0.2.1': peer },
  })
  for (const domain of ['example.test', 'other.test']) {
    const { outcomes } = await run(delivery({ kind: 'mx', domain }), world)
    assert.deepEqual(briefly(outcomes), ['delivered 2.0.0'])
  }
  assert.equal(peer.connections, 1)
  assert.equal(peer.contents.length, 2)
})

for (const [end, why] of [
  [['C: MAIL', 'cut'], 'is cut at MAIL'],
  [['C: MAIL', 'S: 421 idle too long', 'close'], 'says 421 at MAIL'],
  [['C: MAIL', 'close'], 'is closed at MAIL'],
] as const) {
  test(`a kept connection that ${why} costs nothing: a fresh one is made`, async (t) => {
    const peer = await peerFor(t, [...HELLO, ...TAKEN, ...end], [...HELLO, ...TAKEN])
    const { world } = worldFor(t, { peers: { '192.0.2.1': peer } })
    const route: NextHop = { kind: 'host', host: '192.0.2.1', port: 2525 }
    for (let message = 0; message < 2; message += 1) {
      assert.deepEqual(briefly((await run(delivery(route), world)).outcomes), ['delivered 2.0.0'])
    }
    assert.equal(peer.connections, 2)
  })
}

test('content is let go and paid for as it is sent; a small message is kept until it is taken', async (t) => {
  const big = ['x'.repeat(40_000), 'y'.repeat(40_000), '\n']
  const script = [...HELLO, ...TAKEN]
  const { world } = worldFor(t, { peers: { '192.0.2.1': await peerFor(t, script) } })
  const route: NextHop = { kind: 'host', host: '192.0.2.1', port: 2525 }
  const large = await run(delivery(route, { size: 80_001 }), world, big)
  assert.deepEqual(briefly(large.outcomes), ['delivered 2.0.0'])
  assert.equal(large.granted, 80_001)
})

test('a large message that is cut off in the middle is deferred, since its beginning is gone', async (t) => {
  const lost = [...HELLO, 'C: MAIL', 'C: RCPT', 'C: DATA', 'S: 250\n250\n354', 'C: zzz', 'cut']
  const peers = { '192.0.2.1': await peerFor(t, lost), '192.0.2.2': await peerFor(t, GOOD) }
  const { world, dialled } = worldFor(t, { zone: TWO_HOSTS, peers })
  const content = ['zzz\n', 'x\n'.repeat(60_000), 'y\n'.repeat(4_000_000)]
  const { outcomes } = await run(delivery(TO_DOMAIN, { size: 8_120_004 }), world, content)
  assert.deepEqual(briefly(outcomes), ['deferred 4.4.2'])
  assert.deepEqual(dialled, ['192.0.2.1'])
})

test('a host that says no in the middle of the content is believed', async (t) => {
  const script = [
    ...HELLO,
    'C: MAIL',
    'C: RCPT',
    'C: DATA',
    'S: 250\n250\n354',
    'C: zzz',
    'S: 552 5.3.4 too big',
    'close',
  ]
  const { first } = await against(t, script, { content: `zzz\n${'x\n'.repeat(50)}` })
  assert.deepEqual(briefly([first]), ['failed 5.3.4'])
})

test('a message the queue takes back is dropped, and nothing more is said about it', async (t) => {
  const peer = await peerFor(t, [...HELLO, 'C: MAIL', 'wait'])
  const { world } = worldFor(t, { peers: { '192.0.2.1': peer } })
  const content = new Content(10, () => undefined)
  const told: unknown[] = []
  const route: NextHop = { kind: 'host', host: '192.0.2.1', port: 2525 }
  const job = { delivery: delivery(route), content, tell: (verdict: unknown) => told.push(verdict) }
  const running = deliver(job, world)
  setImmediate(() => content.receiveCancel())
  await running
  assert.deepEqual(told, [])
})

test('further hosts are not begun with after the time for the search is over', async (t) => {
  let now = 0
  const greets = await peerFor(t, ['S: 421 busy'])
  const { world, dialled } = worldFor(t, {
    zone: TWO_HOSTS,
    peers: { '192.0.2.1': greets, '192.0.2.2': greets },
    world: { now: () => (now += TIMEOUTS_MS.search + 1) },
  })
  const { outcomes } = await run(delivery(TO_DOMAIN), world)
  assert.deepEqual(briefly(outcomes), ['deferred 4.3.2'])
  assert.deepEqual(dialled, ['192.0.2.1'])
})
