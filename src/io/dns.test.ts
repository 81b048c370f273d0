import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Answer, Packet } from 'dns-packet'
import { decode, encode, streamDecode, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet'
import { openResolver } from './dns.ts'

type Behaviour = (query: Packet, via: 'udp' | 'tcp') => readonly (Packet | Buffer)[]

const RCODE = { servfail: 2, nxdomain: 3 } as const
const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl })
const mx = (name: string, preference: number, exchange: string, ttl = 60): Answer => ({
  type: 'MX',
  name,
  ttl,
  data: { preference, exchange },
})
const alias = (name: string, data: string): Answer => ({ type: 'CNAME', name, data, ttl: 30 })
const soa = (minimum: number): Answer => ({
  type: 'SOA',
  name: 'test',
  ttl: 900,
  data: { mname: 'ns.test', rname: 'root.test', minimum },
})

function answer(query: Packet, answers: readonly Answer[], more: Partial<Packet> = {}): Packet {
  const { id, questions } = query
  return {
    type: 'response',
    id: id ?? 0,
    questions: questions ?? [],
    answers: [...answers],
    ...more,
  }
}

/** A DNS server on one port, by datagram and TCP; what it hears is written down. */
async function nameServer(t: TestContext, behaviour: Behaviour) {
  const heard: { readonly name: string; readonly id: number; readonly port: number }[] = []
  const { udp, tcp, port } = await listenOnBoth()
  udp.on('message', (bytes, from) => {
    const query = decode(bytes)
    heard.push({ name: query.questions?.[0]?.name ?? '', id: query.id ?? -1, port: from.port })
    for (const reply of behaviour(query, 'udp')) {
      udp.send(Buffer.isBuffer(reply) ? reply : encode(reply), from.port, from.address)
    }
  })
  const sockets = new Set<Socket>()
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      for (const reply of behaviour(streamDecode(bytes), 'tcp')) {
        const whole = Buffer.isBuffer(reply) ? reply : streamEncode(reply)
        socket.write(whole.subarray(0, 3))
        setImmediate(() => socket.write(whole.subarray(3)))
      }
    })
  })
  t.after(() => {
    udp.close()
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  return { server: { host: '127.0.0.1', port }, heard }
}

/** A port that is free both ways; another process may hold one half of the first that is offered. */
async function listenOnBoth() {
  for (;;) {
    const udp = createSocket('udp4').bind(0, '127.0.0.1')
    await once(udp, 'listening')
    const { port } = udp.address()
    const tcp = createServer()
    const free = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false))
      tcp.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (free) return { udp, tcp, port }
    udp.close()
  }
}

async function resolverFor(t: TestContext, behaviour: Behaviour, now?: () => number) {
  const { server, heard } = await nameServer(t, behaviour)
  const options = { servers: [server], roundsMs: [150, 150] }
  return { resolver: openResolver(now === undefined ? options : { ...options, now }), heard }
}

test('records are found, with the lowest time to live of their set', async (t) => {
  const { resolver } = await resolverFor(t, (query) => [
    answer(query, [mx('example.test', 10, 'a.test'), mx('example.test', 20, '.', 7)]),
  ])
  assert.deepEqual(await resolver.lookUp('Example.test.', 'MX'), {
    kind: 'found',
    records: [
      { preference: 10, exchange: 'a.test' },
      { preference: 20, exchange: '.' },
    ],
    canonicalName: 'example.test',
    ttlSeconds: 7,
  })
})

test('records of other names and other types in an answer do not count', async (t) => {
  const { resolver } = await resolverFor(t, (query) => [
    answer(query, [a('other.test', '192.0.2.1'), mx('example.test', 1, 'mx.test')]),
  ])
  const lookup = await resolver.lookUp('example.test', 'A')
  assert.deepEqual(lookup, { kind: 'nothing', missing: 'record', ttlSeconds: 0 })
})

test('a missing name and a missing record are told apart, and kept as long as the zone says', async (t) => {
  const { resolver } = await resolverFor(t, (query) => {
    const flags = query.questions?.[0]?.name === 'gone.test' ? RCODE.nxdomain : 0
    return [answer(query, [], { flags, authorities: [soa(300)] })]
  })
  assert.deepEqual(await resolver.lookUp('gone.test', 'MX'), {
    kind: 'nothing',
    missing: 'name',
    ttlSeconds: 300,
  })
  const record = await resolver.lookUp('here.test', 'MX')
  assert.deepEqual(record, { kind: 'nothing', missing: 'record', ttlSeconds: 300 })
})

test('a server that fails is temporary, and so is one that is silent or not there', async (t) => {
  const failing = await resolverFor(t, (query) => [answer(query, [], { flags: RCODE.servfail })])
  const lookup = await failing.resolver.lookUp('example.test', 'MX')
  assert.equal(lookup.kind, 'temporary')
  assert.match(lookup.kind === 'temporary' ? lookup.because : '', /SERVFAIL/)
  const silent = await resolverFor(t, () => [])
  assert.equal((await silent.resolver.lookUp('example.test', 'MX')).kind, 'temporary')
  assert.equal(silent.heard.length, 2, 'asked once in each round')
  const absent = openResolver({ servers: [{ host: '127.0.0.1', port: 1 }], roundsMs: [500] })
  assert.equal((await absent.lookUp('example.test', 'MX')).kind, 'temporary')
})

test('another server is asked when the first fails', async (t) => {
  const bad = await nameServer(t, (query) => [answer(query, [], { flags: RCODE.servfail })])
  const good = await nameServer(t, (query) => [answer(query, [a('a.test', '192.0.2.1')])])
  const resolver = openResolver({ servers: [bad.server, good.server] })
  assert.equal((await resolver.lookUp('a.test', 'A')).kind, 'found')
})

test('an answer that was cut off is asked for again by TCP', async (t) => {
  const many = Array.from({ length: 150 }, (_, at) => a('big.test', `192.0.2.${at}`))
  const { resolver } = await resolverFor(t, (query, via) =>
    via === 'tcp' ? [answer(query, many)] : [answer(query, [], { flags: TRUNCATED_RESPONSE })],
  )
  const lookup = await resolver.lookUp('big.test', 'A')
  assert.equal(lookup.kind === 'found' ? lookup.records.length : lookup.kind, 150)
})

test('a TCP answer that cannot be read is temporary', async (t) => {
  const { resolver } = await resolverFor(t, (query, via) =>
    via === 'tcp'
      ? [Buffer.from([0, 4, 1, 2, 3, 4])]
      : [answer(query, [], { flags: TRUNCATED_RESPONSE })],
  )
  assert.equal((await resolver.lookUp('big.test', 'A')).kind, 'temporary')
})

test('forged and unreadable answers are passed over, and the true one counts', async (t) => {
  const forged = a('a.test', '203.0.113.66')
  const { resolver } = await resolverFor(t, (query) => [
    Buffer.from('garbage'),
    answer({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, [forged]),
    answer({ ...query, questions: [{ type: 'A', name: 'b.test' }] }, [forged]),
    answer({ ...query, questions: [] }, [forged]),
    { ...answer(query, [forged]), type: 'query' },
    answer(query, [a('a.test', '192.0.2.1')]),
  ])
  const lookup = await resolver.lookUp('a.test', 'A')
  assert.deepEqual(lookup.kind === 'found' ? lookup.records : lookup, ['192.0.2.1'])
})

test('aliases are followed, within one answer and with further questions', async (t) => {
  const { resolver, heard } = await resolverFor(t, (query) =>
    query.questions?.[0]?.name === 'c.test'
      ? [answer(query, [a('c.test', '192.0.2.1')])]
      : [answer(query, [alias('a.test', 'b.test'), alias('b.test', 'C.test')])],
  )
  assert.deepEqual(await resolver.lookUp('a.test', 'A'), {
    kind: 'found',
    records: ['192.0.2.1'],
    canonicalName: 'c.test',
    ttlSeconds: 30,
  })
  assert.deepEqual(
    heard.map((query) => query.name),
    ['a.test', 'c.test'],
  )
})

test('aliases that lead in a circle are temporary, and not followed for ever', async (t) => {
  const { resolver } = await resolverFor(t, (query) => [
    answer(query, [alias('a.test', 'b.test'), alias('b.test', 'a.test')]),
  ])
  assert.equal((await resolver.lookUp('a.test', 'A')).kind, 'temporary')
  const endless = await resolverFor(t, (query) => {
    const name = query.questions?.[0]?.name ?? ''
    return [answer(query, [alias(name, `x${name}`)])]
  })
  assert.equal((await endless.resolver.lookUp('a.test', 'A')).kind, 'temporary')
  assert.ok(endless.heard.length < 12)
})

test('answers are kept until their time is over; nothings too', async (t) => {
  let now = 0
  const { resolver, heard } = await resolverFor(
    t,
    (query) => {
      const found = query.questions?.[0]?.name === 'a.test'
      const records = found ? [a('a.test', '192.0.2.1', 10)] : []
      return [answer(query, records, { authorities: [soa(10)] })]
    },
    () => now,
  )
  for (const name of ['a.test', 'none.test']) {
    await resolver.lookUp(name, 'A')
    now += 4_000
    const again = await resolver.lookUp(name, 'A')
    assert.equal(again.kind === 'temporary' ? -1 : again.ttlSeconds, 6)
    now += 6_001
    await resolver.lookUp(name, 'A')
  }
  assert.equal(heard.length, 4)
})

test('many who ask the same at once cause one query', async (t) => {
  const { resolver, heard } = await resolverFor(t, (query) => [
    answer(query, [a('a.test', '192.0.2.1', 0)]),
  ])
  await Promise.all(Array.from({ length: 50 }, () => resolver.lookUp('a.test', 'A')))
  assert.equal(heard.length, 1)
})

test('numbers and ports of queries differ', async (t) => {
  const { resolver, heard } = await resolverFor(t, (query) => [
    answer(query, [a(query.questions?.[0]?.name ?? '', '192.0.2.1')]),
  ])
  await Promise.all(Array.from({ length: 20 }, (_, at) => resolver.lookUp(`a${at}.test`, 'A')))
  assert.ok(new Set(heard.map((query) => query.id)).size > 15)
  assert.ok(new Set(heard.map((query) => query.port)).size > 15)
})

test('names that cannot exist are not asked for; U-labels are asked for as A-labels', async (t) => {
  const { resolver, heard } = await resolverFor(t, (query) => [answer(query, [])])
  for (const name of ['', 'a..test', `${'x'.repeat(64)}.test`, 'a b.test', 'x.'.repeat(150)]) {
    const lookup = await resolver.lookUp(name, 'A')
    assert.deepEqual(lookup, { kind: 'nothing', missing: 'name', ttlSeconds: 0 })
  }
  assert.equal(heard.length, 0)
  await resolver.lookUp('bücher.test', 'A')
  assert.equal(heard[0]?.name, 'xn--bcher-kva.test')
})
