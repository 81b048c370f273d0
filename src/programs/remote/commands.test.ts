import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RemoteDelivery } from '../../contracts/delivery.ts'
import { mailCommand, rcptCommand, refusalInAdvance } from './commands.ts'
import type { Peer } from './opening.ts'

const DELIVERY: RemoteDelivery = {
  type: 'deliver',
  queueId: 'Q1',
  nextHop: { kind: 'mx', domain: 'x.test' },
  reversePath: 'a@b.test',
  size: 100,
  recipients: [{ recipient: 0, address: 'joe@x.test' }],
  body: '8bitmime',
  smtputf8: false,
  ret: 'hdrs',
  envelopeId: 'QQ+2B',
}
const peer = (...keywords: readonly string[]): Peer => ({
  extensions: new Map(keywords.map((word) => [word.split(' ')[0] ?? '', word.split(' ')[1] ?? ''])),
})
const EVERYTHING = peer('SIZE 0', '8BITMIME', 'SMTPUTF8', 'DSN')

test('parameters are given to a host that offers them, and to no other', () => {
  assert.equal(
    mailCommand(DELIVERY, EVERYTHING),
    'MAIL FROM:<a@b.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ+2B',
  )
  assert.equal(mailCommand(DELIVERY, peer()), 'MAIL FROM:<a@b.test>')
  const recipient = {
    recipient: 0,
    address: 'joe@x.test',
    originalRecipient: 'rfc822;joe@x.test',
    notify: ['success', 'failure'],
  } as const
  assert.equal(
    rcptCommand(recipient, EVERYTHING),
    'RCPT TO:<joe@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;joe@x.test',
  )
  assert.equal(rcptCommand(recipient, peer()), 'RCPT TO:<joe@x.test>')
})

test('the null sender and international addresses are written as they are', () => {
  assert.equal(mailCommand({ ...DELIVERY, reversePath: '' }, peer()), 'MAIL FROM:<>')
  const utf8 = { ...DELIVERY, reversePath: 'jürgen@bücher.test' }
  assert.match(mailCommand(utf8, EVERYTHING), /^MAIL FROM:<jürgen@bücher\.test> .*SMTPUTF8/)
})

for (const [given, expected] of [
  ['a b@x.test', '<"a b"@x.test>'],
  ['"a b"@x.test', '<"a b"@x.test>'],
  ['"a\\"b"@x.test', '<"a\\"b"@x.test>'],
  ['a>b@x.test', '<"a>b"@x.test>'],
  ['joe@[192.0.2.1]', '<joe@[192.0.2.1]>'],
  ['joe@x.test> BODY=x', undefined],
  ['joe@x test', undefined],
  ['joe\r\nRSET@x.test', undefined],
  ['"joe\n"@x.test', undefined],
  ['@x.test', undefined],
  ['', undefined],
] as const) {
  test(`the recipient ${JSON.stringify(given)} is ${expected ?? 'refused'}`, () => {
    const line = rcptCommand({ recipient: 0, address: given }, peer())
    assert.equal(line, expected === undefined ? undefined : `RCPT TO:${expected}`)
  })
}

test('parameter values that could end a command are left out', () => {
  const odd = { ...DELIVERY, envelopeId: 'a\r\nRSET', smtputf8: false }
  assert.doesNotMatch(mailCommand(odd, EVERYTHING), /ENVID|\r|\n/)
  const recipient = { recipient: 0, address: 'a@b.test', originalRecipient: 'rfc822;a b' }
  assert.doesNotMatch(rcptCommand(recipient, EVERYTHING) ?? '', /ORCPT/)
})

test('law: no address makes more than one line, or leaves its brackets', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (address) => {
      const line = rcptCommand({ recipient: 0, address }, peer())
      if (line === undefined) return
      assert.doesNotMatch(line, /[\r\n\0]/)
      assert.match(line, /^RCPT TO:<(?:"(?:[^"\\]|\\.)*"|[^\s<>"]+)(?:@[^\s<>]+)?>$/su)
    }),
  )
})

for (const [keywords, more, expected, why] of [
  [['SIZE 99'], {}, '5.3.4', 'larger than the host takes'],
  [['SIZE 100'], {}, undefined, 'exactly as large'],
  [['SIZE 0'], {}, undefined, 'a limit of 0 is none'],
  [['SIZE many'], {}, undefined, 'a limit that is no number'],
  [[], { smtputf8: true }, '5.6.7', 'SMTPUTF8 needed and not offered'],
  [[], { reversePath: 'jürgen@b.test' }, '5.6.7', 'an international sender'],
  [['SMTPUTF8'], { smtputf8: true }, undefined, 'SMTPUTF8 needed and offered'],
  [[], { reversePath: 'a\n@b.test' }, '5.1.7', 'a sender that cannot be written'],
] as const) {
  test(`in advance: ${why}`, () => {
    const refusal = refusalInAdvance({ ...DELIVERY, ...more }, peer(...keywords), 'mx.test')
    assert.equal(refusal?.status, expected)
  })
}
