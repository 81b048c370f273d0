import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { extensionLines, parseMailParameters, parseRecipientParameters } from './extension.ts'

const mail = (text: string) => parseMailParameters(text, 8)
const recipient = (text: string) => parseRecipientParameters(text, 8)
const plain = { body: '7bit', smtputf8: false }

test('the extensions of the reply to EHLO', () => {
  assert.deepEqual(extensionLines(5_000), [
    'PIPELINING',
    'SIZE 5000',
    '8BITMIME',
    'ENHANCEDSTATUSCODES',
    'SMTPUTF8',
    'CHUNKING',
    'DSN',
    'HELP',
  ])
})

test('parameters of MAIL that are taken', () => {
  const cases = [
    ['', plain],
    ['SIZE=0', { ...plain, size: 0 }],
    ['size=12345  body=8BitMime', { ...plain, size: 12_345, body: '8bitmime' }],
    [`SIZE=${'9'.repeat(20)}`, { ...plain, size: Number.MAX_SAFE_INTEGER }],
    ['SMTPUTF8 RET=FULL', { ...plain, smtputf8: true, ret: 'full' }],
    ['ENVID=QQ+2B14', { ...plain, envelopeId: 'QQ+2B14' }],
  ] as const
  for (const [text, value] of cases) assert.deepEqual(mail(text), { ok: true, value }, text)
})

test('parameters of RCPT that are taken', () => {
  const cases = [
    ['', {}],
    ['NOTIFY=NEVER', { notify: ['never'] }],
    ['notify=delay,SUCCESS', { notify: ['delay', 'success'] }],
    ['ORCPT=rfc822;Bob+20B@x.org', { originalRecipient: 'rfc822;Bob+20B@x.org' }],
    ['ORCPT=utf-8;jörg@x.org', { originalRecipient: 'utf-8;jörg@x.org' }],
  ] as const
  for (const [text, value] of cases) assert.deepEqual(recipient(text), { ok: true, value }, text)
})

test('bad values, repeated and malformed parameters are refused', () => {
  const bad = ['SIZE', 'SIZE=', 'SIZE=-1', 'BODY=BINARYMIME', 'SMTPUTF8=1', 'RET=', 'ENVID=a=b']
  const more = ['ENVID=+2', 'ENVID=+zz', 'SIZE=1 size=1', '=1', '-A=1', `ENVID=${'x'.repeat(101)}`]
  for (const text of [...bad, ...more, 'BODY=7BIT '.repeat(9)]) {
    assert.deepEqual(mail(text), { ok: false, problem: 'bad parameter' }, text)
  }
  const forRecipients = ['NOTIFY=', 'NOTIFY=NEVER,DELAY', 'NOTIFY=DELAY,DELAY', 'ORCPT=bob@x.org']
  for (const text of [...forRecipients, 'ORCPT=;bob', 'ORCPT=rfc822;', 'NOTIFY=ALWAYS']) {
    assert.deepEqual(recipient(text), { ok: false, problem: 'bad parameter' }, text)
  }
})

test('parameters nobody offered are refused, even those named like parts of every object', () => {
  for (const text of ['AUTH=<>', 'BY=1;N', 'X', 'constructor=1', 'NOTIFY=NEVER']) {
    assert.deepEqual(mail(text), { ok: false, problem: 'unknown parameter' }, text)
  }
  assert.deepEqual(recipient('SIZE=1'), { ok: false, problem: 'unknown parameter' })
})

test('no text makes them throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      mail(text)
      recipient(text)
      mail(`ENVID=${text}`)
      recipient(`ORCPT=rfc822;${text}`)
    }),
  )
})
