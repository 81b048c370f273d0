/**
 * Postern between real mail servers: it finds them through MX records of Knot DNS and relays to Postfix and to
 * Postfix's smtp-sink, all on port 25 of loopback addresses; and Postfix relays to it.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { notRoot } from '../support/accounts.ts'
import { needs } from '../support/debian.ts'
import { startKnot } from '../support/knot.ts'
import { ownBlock } from '../support/loopback.ts'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import type { Postfix } from '../support/postfix.ts'
import { startPostfix, startSink } from '../support/postfix.ts'
import { readReport } from '../support/report.ts'
import { withSession } from '../support/smtp-client.ts'

const skip = notRoot !== false ? `${notRoot}, port 25` : ((await needs('knot', 'postfix')) ?? false)
const block = ownBlock()
const POSTFIX = `${block}.1`
const SINK = `${block}.2`
const DOWN = `${block}.3`

const ZONE = `
fix      MX  10 postfix
sunk     MX  10 sink
second   MX  10 down
second   MX  20 sink
postfix  A   ${POSTFIX}
sink     A   ${SINK}
down     A   ${DOWN}
`

suite('relaying between real servers', { skip }, () => {
  const directory = makeDirectory()
  const sunk = join(directory, 'sunk')
  /** What was started, to be stopped in the opposite order. */
  const started: { readonly stop: () => Promise<unknown> }[] = []
  let postern: Postern
  let postfix: Postfix

  before(async () => {
    // Postfix's programs run as a user of their own.
    chmodSync(directory, 0o755)
    const zones = { 'example.test': ZONE, 'broken.test': undefined }
    const knot = await startKnot(join(directory, 'knot'), zones)
    started.push(knot)
    started.push(await startSink(SINK, sunk))
    const settings = `${everydaySettings(directory)}
[dns]
servers = ["127.0.0.1:${knot.port}"]
`
    postern = await startPostern({ directory, settings })
    started.push(postern)
    postfix = await startPostfix({
      directory: join(directory, 'postfix'),
      address: POSTFIX,
      domain: 'fix.example.test',
      relayPort: postern.smtpPort,
    })
    started.push(postfix)
  })

  after(async () => {
    for (const each of started.reverse()) await each.stop()
    removeDirectory(directory)
  })

  const send = (from: string, to: readonly string[], subject: string) =>
    withSession(postern.smtpPort, async (client) => {
      const content = `Subject: ${subject}\n\n.a line with a dot\nfrom the body\n`
      const reply = await client.send({ from, to, content })
      assert.equal(reply.code, 250, reply.lines.join())
    })

  /** The transactions the sink has had with this subject. */
  const sunkTexts = (subject: string) =>
    readdirSync(sunk)
      .map((name) => readFileSync(join(sunk, name), 'latin1').replaceAll('\r\n', '\n'))
      .filter(
        (text) => text.includes(`\nSubject: ${subject}\n`) && text.includes('\nfrom the body'),
      )

  const reportFor = async (user: string) => {
    await until(() => mailTexts(`${directory}/mail/${user}`).length === 1, 30)
    const [text = ''] = mailTexts(`${directory}/mail/${user}`)
    assert.match(text, /^Return-Path: <>\n/)
    return readReport(text)
  }

  test('a message reaches the Postfix that the MX record names, as it was sent', async () => {
    await send('ann@postern.test', ['user1@fix.example.test'], 'to Postfix')
    await until(() => mailTexts(`${postfix.mail}/user1`).length === 1, 30)
    const [text = ''] = mailTexts(`${postfix.mail}/user1`)
    assert.match(text, /^Return-Path: <ann@postern\.test>$/m)
    assert.match(text, /^Received: from postern\.test /m)
    assert.match(text, /^Received: from client\.test [^]*?by postern\.test/m)
    // Postfix completes the header of a client it trusts; the body is as it was sent.
    assert.match(text, /^Subject: to Postfix$/m)
    assert.match(text, /\n\n\.a line with a dot\nfrom the body\n*$/)
  })

  test('a user whom that Postfix does not know comes back as a report a program can read', async () => {
    await send('ben@postern.test', ['nobody@fix.example.test', 'user2@fix.example.test'], 'lost')
    const report = await reportFor('ben')
    assert.equal(report.header.get('to'), '<ben@postern.test>')
    assert.equal(report.header.get('auto-submitted'), 'auto-replied')
    assert.equal(report.message.get('reporting-mta'), 'dns; postern.test')
    assert.ok(!Number.isNaN(Date.parse(report.message.get('arrival-date') ?? '')))
    assert.equal(report.recipients.length, 1, 'the recipient who has the message is not in it')
    const [failed] = report.recipients
    assert.match(failed?.get('final-recipient') ?? '', /^rfc822; ?nobody@fix\.example\.test$/)
    assert.equal(failed?.get('action'), 'failed')
    assert.equal(failed?.get('status'), '5.1.1')
    assert.match(failed?.get('remote-mta') ?? '', /^dns; ?postfix\.example\.test/)
    assert.match(failed?.get('diagnostic-code') ?? '', /^smtp; ?550 5\.1\.1 .*User unknown/)
    assert.match(report.text, /<nobody@fix\.example\.test>/)
    assert.equal(report.returned.type, 'message/rfc822')
    assert.match(report.returned.content, /^Subject: lost$/m)
    assert.match(report.returned.content, /^\.a line with a dot$/m)
    await until(() => mailTexts(`${postfix.mail}/user2`).length === 1, 30)
  })

  test('the second MX host has the message when the first does not answer', async () => {
    await send('ann@postern.test', ['joe@second.example.test'], 'fallback')
    await until(() => sunkTexts('fallback').length === 1, 30)
    const through = /delivered to=<joe@second\.example\.test>.* host="?sink\.example\.test/
    await until(() => through.test(postern.log()), 30)
  })

  test('two recipients at one site get the message in one transaction', async () => {
    await send('ann@postern.test', ['a@sunk.example.test', 'b@sunk.example.test'], 'pair')
    await until(() => sunkTexts('pair').length > 0, 30)
    await until(() => postern.log().match(/ delivered to=<[ab]@sunk\./g)?.length === 2, 30)
    const [text = '', ...more] = sunkTexts('pair')
    assert.deepEqual(more, [])
    const recipients = [...text.matchAll(/^X-Rcpt-Args: <([^>]*)>/gm)].map(
      (match) => match[1] ?? '',
    )
    assert.deepEqual(recipients.sort(), ['a@sunk.example.test', 'b@sunk.example.test'])
    assert.match(text, /^\.a line with a dot$/m)
  })

  test('a domain that does not exist is reported as 5.1.2', async () => {
    await send('cas@postern.test', ['joe@missing.example.test'], 'nowhere')
    const [failed] = (await reportFor('cas')).recipients
    assert.equal(failed?.get('action'), 'failed')
    assert.equal(failed?.get('status'), '5.1.2')
    assert.doesNotMatch(failed?.get('diagnostic-code') ?? '', /^smtp;/, 'nobody was spoken to')
    assert.equal(failed?.has('remote-mta'), false)
  })

  test('while the DNS answers SERVFAIL the message stays queued, and nothing is reported', async () => {
    await send('dan@postern.test', ['joe@broken.test'], 'later')
    await until(() => / deferred to=<joe@broken\.test> status=4\.4\.3 /.test(postern.log()), 60)
    const bin = join(import.meta.dirname, '../../bin/postern')
    const words = ['queue', 'list', '--domain', 'broken.test', '--json', '--config', postern.config]
    const listed = spawnSync(bin, words, { encoding: 'utf8' })
    assert.equal(listed.status, 0, listed.stderr)
    const message = JSON.parse(listed.stdout) as {
      readonly recipients: readonly { readonly address: string; readonly state: string }[]
    }
    assert.deepEqual(
      message.recipients.map(({ address, state }) => [address, state]),
      [['joe@broken.test', 'waiting']],
    )
    assert.deepEqual(mailTexts(`${directory}/mail/dan`), [])
  })

  test('Postfix relays to Postern, and a recipient Postern refuses is returned by Postfix', async () => {
    await withSessionAt(POSTFIX, (client) =>
      client.send({
        from: 'user3@fix.example.test',
        to: ['eve@postern.test'],
        content: 'Subject: from Postfix\n\n.dotted\nend\n',
      }),
    )
    await until(() => mailTexts(`${directory}/mail/eve`).length === 1, 30)
    const [text = ''] = mailTexts(`${directory}/mail/eve`)
    assert.match(
      text,
      /^Return-Path: <user3@fix\.example\.test>\nDelivered-To: eve@postern\.test\n/,
    )
    assert.match(text, /^Received: from postfix\.test [^]*?by postern\.test/m)
    assert.match(text, /^\.dotted\nend$/m)

    await withSessionAt(POSTFIX, (client) =>
      client.send({
        from: 'user3@fix.example.test',
        to: ['"../x"@postern.test'],
        content: 'Subject: refused\n\nbody\n',
      }),
    )
    await until(() => mailTexts(`${postfix.mail}/user3`).length === 1, 30)
    assert.match(mailTexts(`${postfix.mail}/user3`).join(), /said: 550 5\.1\.1 /)
  })
})

const withSessionAt = <T>(host: string, use: Parameters<typeof withSession<T>>[1]) =>
  withSession(25, use, host)
