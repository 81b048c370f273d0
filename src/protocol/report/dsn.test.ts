import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DsnReport } from './dsn.ts'
import { writeDsn } from './dsn.ts'

const REPORT: DsnReport = {
  kind: 'failure',
  hostname: 'mail.example.org',
  to: 'ann@example.com',
  now: Date.UTC(2026, 10, 22, 18, 30, 0),
  token: 'TOKEN123',
  about: {
    queueId: 'KQ4X9ABCDE',
    reversePath: 'ann@example.com',
    arrivedAt: Date.UTC(2026, 10, 15, 9, 5, 7),
    envelopeId: 'id+2B1',
    eightBit: false,
    smtputf8: false,
  },
  recipients: [
    {
      address: 'joe@example.net',
      action: 'failed',
      status: '5.1.1',
      text: 'There is no such mailbox.',
      host: 'mx.example.net [192.0.2.1]:25',
      reply: '550 5.1.1 no such user',
    },
  ],
  returned: 'content',
}
const ORIGINAL = 'Subject: hello\n\nWorld.\n'

function whole(report: DsnReport, original = ORIGINAL): string {
  const { prepend, append } = writeDsn(report)
  const content = report.returned === 'content' ? original : ''
  return Buffer.concat([prepend, Buffer.from(content), append]).toString()
}

/** The header section and the parts of a multipart message. */
function partsOf(message: string): { readonly header: string; readonly parts: readonly string[] } {
  const boundary = /boundary="([^"]+)"/.exec(message)?.[1] ?? 'none'
  const end = message.indexOf('\n\n')
  const pieces = message.slice(end).split(`\n--${boundary}`)
  assert.equal(pieces.at(-1), '--\n')
  return {
    header: message.slice(0, end + 1),
    parts: pieces.slice(1, -1).map((part) => part.slice(1)),
  }
}

test('a report has three parts: for a person, for a machine, and the message itself', () => {
  const { header, parts } = partsOf(whole(REPORT))
  assert.match(
    header,
    /^Content-Type: multipart\/report; report-type=delivery-status;\n\tboundary=/m,
  )
  assert.match(header, /^Auto-Submitted: auto-replied$/m)
  assert.match(header, /^To: <ann@example.com>$/m)
  assert.match(header, /^Date: Sun, 22 Nov 2026 18:30:00 \+0000$/m)
  const types = parts.map((part) => /^Content-Type: ([^;\n]+)/.exec(part)?.[1])
  assert.deepEqual(types, ['text/plain', 'message/delivery-status', 'message/rfc822'])
  assert.ok(parts[2]?.endsWith(`\n\n${ORIGINAL}`))
})

test('the machine part is complete', () => {
  const status = partsOf(whole(REPORT)).parts[1] ?? ''
  assert.equal(
    status.slice(status.indexOf('\n\n') + 2),
    `Original-Envelope-Id: id+1
Reporting-MTA: dns; mail.example.org
Arrival-Date: Sun, 15 Nov 2026 09:05:07 +0000
X-Postern-Queue-ID: KQ4X9ABCDE
X-Postern-Sender: rfc822; ann@example.com

Final-Recipient: rfc822; joe@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 no such user
`,
  )
})

test('the part for a person names the address, what happened, and what to ask for', () => {
  const text = partsOf(whole(REPORT)).parts[0] ?? ''
  assert.match(text, /^Hi\. This is the mail system at mail\.example\.org\.$/m)
  assert.match(text, /^<joe@example\.net>:\nThere is no such mailbox\. \(#5\.1\.1\)$/m)
  assert.match(text, /said: 550 5\.1\.1 no such user$/m)
  assert.match(text, /KQ4X9ABCDE/)
})

test('BN-5 a paragraph has no empty line, whatever the remote host has said', () => {
  const recipients = REPORT.recipients.map((one) => ({ ...one, reply: '550 a\n\n\nb\r\n\r\nc' }))
  const text = partsOf(whole({ ...REPORT, recipients })).parts[0] ?? ''
  const paragraph = /<joe@example\.net>:\n(?:.+\n)*/.exec(text)?.[0]
  assert.match(paragraph ?? '', /550 a b c/)
})

test('where only the header is returned it stands in prepend and nothing follows', () => {
  const header = Buffer.from('Subject: hello\nX: y\n\n')
  const { append } = writeDsn({ ...REPORT, returned: { header } })
  assert.equal(append.length, 0)
  const part = partsOf(whole({ ...REPORT, returned: { header } })).parts[2] ?? ''
  assert.match(part, /^Content-Type: text\/rfc822-headers\n/)
  assert.ok(part.endsWith('\n\nSubject: hello\nX: y\n'))
})

test('an original without a last line end does not swallow the end of the report', () => {
  assert.ok(partsOf(whole(REPORT, 'Subject: x\n\nno end')).parts[2]?.endsWith('no end'))
})

test('an original with 8-bit content makes the whole 8-bit', () => {
  const { header, parts } = partsOf(
    whole({ ...REPORT, about: { ...REPORT.about, eightBit: true } }),
  )
  assert.match(header, /^Content-Transfer-Encoding: 8bit$/m)
  assert.match(parts[2] ?? '', /^Content-Transfer-Encoding: 8bit$/m)
})

test('addresses beyond ASCII are told in the forms of RFC 6533', () => {
  const recipients = REPORT.recipients.map((one) => ({ ...one, address: 'jürgen@example.net' }))
  const about = { ...REPORT.about, smtputf8: true, eightBit: true }
  const types = partsOf(whole({ ...REPORT, recipients, about })).parts.map(
    (part) => /^Content-Type: ([^;\n]+)/.exec(part)?.[1],
  )
  assert.deepEqual(types, ['text/plain', 'message/global-delivery-status', 'message/global'])
})

test('a reply beyond ASCII does not make an ordinary status part 8-bit', () => {
  const recipients = REPORT.recipients.map((one) => ({ ...one, reply: '550 unbekannte Größe' }))
  const status = partsOf(whole({ ...REPORT, recipients })).parts[1] ?? ''
  assert.match(status, /550 unbekannte Gr\?\?e/)
})

test('success and double bounce say so, and no report has a CR or NUL', () => {
  for (const kind of ['success', 'double'] as const) {
    const text = whole({ ...REPORT, kind })
    assert.match(text, kind === 'success' ? /You asked to be told/ : /Nobody but you has been told/)
    assert.doesNotMatch(text, /[\r\0]/)
  }
})
