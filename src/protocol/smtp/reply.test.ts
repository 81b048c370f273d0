import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reply } from './reply.ts'
import { formatReply, greeting, queued, REPLY, refusal } from './reply.ts'

const replies: readonly (readonly [string, Reply])[] = Object.entries(REPLY)

test('code and status agree in every reply, and only 354 goes without a status', () => {
  for (const [name, { code, status }] of replies) {
    if (code === 354) assert.equal(status, undefined)
    else assert.equal(status?.[0], String(code)[0], name)
  }
})

test('every reply fits the 512 bytes of a reply line, and is ASCII', () => {
  for (const [name, reply] of replies) {
    for (const line of formatReply(reply).split('\r\n').slice(0, -1)) {
      assert.ok(line.length <= 510 && /^[2-5]\d\d[ -][ -~]*$/.test(line), `${name}: ${line}`)
    }
  }
})

test('the greeting has no status, several lines have a hyphen in all but the last', () => {
  assert.equal(formatReply(greeting('mail.example.org')), '220 mail.example.org ESMTP Postern\r\n')
  const more: Reply = { code: 250, text: 'host', more: ['SIZE 1', 'HELP'] }
  assert.equal(formatReply(more), '250-host\r\n250-SIZE 1\r\n250 HELP\r\n')
  assert.match(formatReply(REPLY.help), /^214-2\.0\.0 .*\r\n214 2\.0\.0 .*\r\n$/)
  assert.equal(formatReply(queued('K1')), '250 2.0.0 queued as K1\r\n')
})

test('the words of another program are made harmless, its status decides the code', () => {
  assert.deepEqual(refusal('4.3.1', 'full'), { code: 452, status: '4.3.1', text: 'full' })
  assert.deepEqual(refusal('4.9.9', 'x'), { code: 451, status: '4.9.9', text: 'x' })
  assert.deepEqual(refusal('5.6.0', 'x'), { code: 554, status: '5.6.0', text: 'x' })
  assert.deepEqual(refusal('5.3.4', 'a\r\n250 ok'), {
    code: 552,
    status: '5.3.4',
    text: 'a??250 ok',
  })
  assert.equal(formatReply(refusal('5.6.0', 'ö'.repeat(1_000))).length, 412)
  assert.equal(refusal('5.6.0', '').text, 'refused')
})
