/**
 * The remote agent against real programs: MX records from Knot DNS, mail into Postfix's smtp-sink on port 25.
 * Needs root for that port. Each run takes loopback addresses of its own, so that runs do not meet.
 */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, before, test } from 'node:test'
import type { RemoteDelivery } from '../../src/contracts/delivery.ts'
import type { Outcome } from '../../src/contracts/outcome.ts'
import { needs } from '../support/debian.ts'
import type { RemoteAgent } from '../support/remote-agent.ts'
import { startRemoteAgent } from '../support/remote-agent.ts'

const block = `127.${randomInt(64, 250)}.${randomInt(250)}`
const SINK = `${block}.1`
const REFUSING = `${block}.2`
const NOBODY = `${block}.3`

const ZONE = `
$ORIGIN example.test.
$TTL 60
@        SOA ns root 1 3600 600 86400 30
@        NS  ns
ns       A   127.0.0.1
good     MX  10 sink
second   MX  10 nobody
second   MX  20 sink
busy     MX  10 refusing
direct   A   ${SINK}
null     MX  0 .
lost     MX  10 gone
alias    CNAME good
ours     MX  10 us
outside  CNAME good.other.test.
many     MX  10 wide
sink     A   ${SINK}
refusing A   ${REFUSING}
nobody   A   ${NOBODY}
us       A   127.0.0.1
wide     A   ${SINK}
${Array.from({ length: 120 }, (_, at) => `wide A ${block}.${100 + at}`).join('\n')}
`

const started: ChildProcess[] = []
let directory = ''
let skip: string | undefined
let agent: RemoteAgent | undefined

before(async () => {
  skip = process.getuid?.() === 0 ? undefined : 'needs root for port 25'
  skip ??= await needs('knot', 'postfix')
  if (skip !== undefined) return
  directory = await mkdtemp(join(tmpdir(), 'postern-remote-'))
  const dnsPort = await startKnot()
  await startSink(SINK, ['-D', join(directory, 'mail', 'm.')])
  await startSink(REFUSING, ['-r', 'mail'])
  agent = await startRemoteAgent({ hostname: 'us.test', dnsPort })
})

after(async () => {
  agent?.kill()
  for (const child of started) child.kill('SIGKILL')
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

async function startKnot(): Promise<number> {
  const port = await freePort()
  const configuration = `
server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
database:
  storage: ${directory}
zone:
  - domain: example.test
    file: ${directory}/example.test.zone
    zonefile-load: whole
`
  await writeFile(join(directory, 'example.test.zone'), ZONE)
  await writeFile(join(directory, 'knot.conf'), configuration)
  started.push(spawn('/usr/sbin/knotd', ['-c', join(directory, 'knot.conf')], { stdio: 'ignore' }))
  await untilListening('127.0.0.1', port)
  return port
}

async function startSink(address: string, options: readonly string[]): Promise<void> {
  await mkdir(join(directory, 'mail'), { recursive: true, mode: 0o777 })
  const words = ['-u', 'root', ...options, `${address}:25`, '100']
  started.push(spawn('/usr/sbin/smtp-sink', words, { stdio: 'ignore', cwd: directory }))
  await untilListening(address, 25)
}

/** A port free for TCP now, which Knot takes for both; ports for datagrams are rarely held. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Connects until it is let in; the process that listens is only just starting. */
async function untilListening(host: string, port: number): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const socket = connect(port, host)
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    if (attempt > 200) throw new Error(`nobody listens on ${host}:${port}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

async function send(
  t: TestContext,
  domain: string,
  content = 'Subject: x\n\nhello\n',
): Promise<Outcome | undefined> {
  if (agent === undefined) {
    t.skip(skip ?? 'not started')
    return undefined
  }
  const bytes = Buffer.from(content)
  const delivery: RemoteDelivery = {
    type: 'deliver',
    queueId: 'Q1',
    nextHop: { kind: 'mx', domain },
    reversePath: 'sender@us.test',
    size: bytes.length,
    recipients: [{ recipient: 0, address: `joe@${domain}` }],
    body: '7bit',
    smtputf8: false,
  }
  return (await agent.deliver(delivery, [bytes])).get(0)
}

for (const [domain, expected, why] of [
  ['good.example.test', 'delivered 2.0.0', 'through its MX host'],
  ['second.example.test', 'delivered 2.0.0', 'through the second MX host, the first being down'],
  ['direct.example.test', 'delivered 2.0.0', 'at its own address, having no MX'],
  ['alias.example.test', 'delivered 2.0.0', 'through the MX host of what it is an alias of'],
  ['many.example.test', 'delivered 2.0.0', 'with more addresses than fit a datagram'],
  ['null.example.test', 'failed 5.1.10', 'a null MX'],
  ['missing.example.test', 'failed 5.1.2', 'no such name'],
  ['lost.example.test', 'failed 5.4.4', 'an MX host without address'],
  ['ours.example.test', 'failed 5.4.6', 'the MX host is this host'],
  ['outside.example.test', 'deferred 4.4.3', 'an alias to a zone this server refuses'],
  ['elsewhere.test', 'deferred 4.4.3', 'a zone this server refuses'],
] as const) {
  test(`mail for ${domain} is ${expected}: ${why}`, async (t) => {
    const outcome = await send(t, domain)
    if (outcome === undefined) return
    assert.equal(`${outcome.kind} ${outcome.status}`, expected, outcome.text)
  })
}

test('a host that refuses the sender is quoted', async (t) => {
  const outcome = await send(t, 'busy.example.test')
  if (outcome === undefined) return
  assert.notEqual(outcome.kind, 'delivered')
  assert.match(outcome.reply ?? '', /^[45]\d\d /)
  assert.equal(outcome.host, `refusing.example.test [${REFUSING}]:25`)
})

test('SMC-8: lines of dots arrive as they were sent', async (t) => {
  const content = 'Subject: dots\n\n.\n..\n...x\n.last'
  const outcome = await send(t, 'good.example.test', content)
  if (outcome === undefined) return
  assert.equal(outcome.kind, 'delivered')
  const stored: string[] = []
  for (const name of await readdir(join(directory, 'mail'))) {
    stored.push(await readFile(join(directory, 'mail', name), 'latin1'))
  }
  const found = stored.find((text) => text.includes('Subject: dots'))
  assert.ok(found, 'the sink has the message')
  assert.ok(found.replaceAll('\r\n', '\n').includes('\n\n.\n..\n...x\n.last\n'), found)
})

test('the queue is told which site answers for a domain, an alias included', async (t) => {
  if (agent === undefined) return t.skip(skip ?? 'not started')
  await send(t, 'good.example.test')
  await send(t, 'alias.example.test')
  const sites = new Map(agent.notices.map(({ domain, site }) => [domain, site]))
  assert.equal(sites.get('good.example.test'), 'sink.example.test')
  assert.equal(sites.get('alias.example.test'), 'sink.example.test')
})
