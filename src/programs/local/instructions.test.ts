import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instructionsFor, mailboxPath } from './instructions.ts'

const settings = { release: 'r', home: '/home/joe', hostname: 'h' }

const cases: readonly (readonly [string, string | undefined, string])[] = [
  ['Maildir/', '/home/joe/Maildir', 'relative to the home'],
  ['./Mailbox', '/home/joe/Mailbox', 'a dot changes nothing'],
  ['/home/joe/mail/x/', '/home/joe/mail/x', 'absolute, inside'],
  ['/home/joe', '/home/joe', 'the home itself'],
  ['/home/joel/Maildir/', undefined, 'a name that only begins the same'],
  ['/etc/passwd', undefined, 'outside'],
  ['../jane/Maildir/', undefined, 'upwards'],
  ['/home/joe/../jane/', undefined, 'upwards, absolute'],
  ['mail/..', undefined, 'upwards at the end'],
  ['a\0b', undefined, 'NUL'],
  ['', undefined, 'nothing'],
  ['./', undefined, 'nothing but a dot'],
]

for (const [mailbox, path, why] of cases) {
  test(`${JSON.stringify(mailbox)} is ${path ?? 'refused'}: ${why}`, () => {
    const result = mailboxPath(mailbox, settings)
    assert.equal(result.ok ? result.value : undefined, path)
  })
}

test('a final slash means a Maildir, none an mbox; names in outcomes show no path above', () => {
  const about = { recipient: 0, address: 'joe@x', create: true }
  assert.deepEqual(instructionsFor({ ...about, mailbox: '/home/joe/m/' }, settings), {
    ok: true,
    value: [{ kind: 'maildir', path: '/home/joe/m', name: 'm/', create: true }],
  })
  assert.deepEqual(
    instructionsFor({ ...about, mailbox: '/var/mail/joe' }, { ...settings, spool: '/var/mail' }),
    { ok: true, value: [{ kind: 'mbox', path: '/var/mail/joe', name: 'joe' }] },
  )
})
