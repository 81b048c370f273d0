import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Invocation } from '../contracts/drop-file.ts'
import { completeSubmission } from './submission.ts'

const HOST = 'sun.ee.example.edu'
const CONTEXT = {
  uid: 1000,
  names: { defaultHost: HOST, defaultDomain: 'ee.example.edu', plusDomain: 'example.edu' },
  now: Date.UTC(2026, 10, 22, 18, 30, 5),
  unique: 'a1b2',
  mostRecipients: 60_000,
}
const JOE: Invocation = {
  login: 'joe',
  recipients: [],
  recipientsInHeader: false,
  keepDots: false,
  gateway: false,
  eightBit: false,
  hops: 0,
  environment: {},
}
const WITH_T: Invocation = { ...JOE, recipientsInHeader: true }
const to = (...recipients: string[]): Invocation => ({ ...JOE, recipients })

function answerOf(text: string | Buffer, invocation: Invocation) {
  return completeSubmission(Buffer.from(text as string), invocation, CONTEXT)
}

function complete(text: string, invocation: Invocation) {
  const answer = answerOf(text, invocation)
  assert.ok(answer.ok, answer.ok ? '' : answer.problem.text)
  const { header, recipients, reversePath, bodyStart } = answer.value
  return {
    header: header.toString(),
    recipients: recipients.map(({ address }) => address),
    reversePath,
    body: Buffer.from(text).toString('utf8', bodyStart),
  }
}

function problemOf(text: string, invocation: Invocation): string {
  const answer = answerOf(text, invocation)
  return answer.ok ? 'accepted' : `${answer.problem.status} ${answer.problem.text}`
}

suite('completing the header', () => {
  test('INJ-1: what is missing is made and comes first; unqualified addresses are completed', () => {
    const done = complete('To: help\n\nbody\n', WITH_T)
    assert.equal(
      done.header,
      `Date: Sun, 22 Nov 2026 18:30:05 -0000
Message-ID: <20261122183005.a1b2@${HOST}>
From: joe@${HOST}
To: help@${HOST}

`,
    )
    assert.equal(done.reversePath, `joe@${HOST}`)
    assert.deepEqual(done.recipients, [`help@${HOST}`])
    assert.equal(done.body, 'body\n')
  })

  test('INJ-2: Bcc goes, and a Cc that names nobody keeps others from making one up', () => {
    const done = complete('Bcc: a@b.c\n\n', WITH_T)
    assert.match(done.header, /^Cc: recipient list not shown: ;$/m)
    assert.doesNotMatch(done.header, /bcc/i)
    assert.deepEqual(done.recipients, ['a@b.c'])
  })

  test('INJ-3: an empty line comes before a first line that is no field', () => {
    const done = complete('not a header\nmore\n', to('a@b.c'))
    assert.ok(done.header.endsWith('Cc: recipient list not shown: ;\n\n'))
    assert.equal(done.body, 'not a header\nmore\n')
  })

  test('INJ-4: the separator of an mbox becomes a field', () => {
    const done = complete('From someone Mon\nTo: a@b.c\n\n', WITH_T)
    assert.match(done.header, /^MBOX-Line: From someone Mon\nTo: a@b\.c\n\n$/m)
  })

  test('INJ-5: a resent message gets Resent- fields and goes to its Resent- recipients', () => {
    const text = 'Resent-To: z\nTo: a@b.c\nFrom: q@r.s\nDate: foo\n\n'
    const done = complete(text, WITH_T)
    for (const name of ['Resent-Date', 'Resent-Message-ID', 'Resent-From']) {
      assert.match(done.header, new RegExp(`^${name}: `, 'm'))
    }
    assert.doesNotMatch(done.header, /^(?:Message-ID|Cc|Resent-Cc): /m)
    assert.match(done.header, /^Date: foo$/m)
    assert.deepEqual(done.recipients, [`z@${HOST}`])
  })

  test('INJ-6: both kinds of Bcc go, and Resent-Cc names nobody', () => {
    const done = complete('Resent-Bcc: z\nBcc: qq\nFrom: q@r.s\n\n', WITH_T)
    assert.doesNotMatch(done.header, /bcc/i)
    assert.match(done.header, /^Resent-Cc: recipient list not shown: ;$/m)
    assert.deepEqual(done.recipients, [`z@${HOST}`])
  })

  test('INJ-10: Return-Path says who sends and goes; so does Content-Length', () => {
    const text = 'Return-Path: <boss@x.y>\nContent-Length: 5\n\n'
    const done = complete(text, to('a@b.c'))
    assert.equal(done.reversePath, 'boss@x.y')
    assert.doesNotMatch(done.header, /return-path|content-length/i)
    const ignored = { ...to('a@b.c'), environment: { QMAILINJECT: 's' } }
    assert.equal(complete(text, ignored).reversePath, `joe@${HOST}`)
  })

  test('INJ-18: an empty message has a header and no empty line', () => {
    assert.ok(complete('', to('a@b.c')).header.endsWith('not shown: ;\n'))
  })

  test('a field that needs nothing keeps its bytes, one that does is folded anew', () => {
    const odd = 'To:   Bob  <b@c.d>  ,\n   a . b @ c . d\n'
    assert.ok(complete(`${odd}\n`, WITH_T).header.includes(odd))
    assert.match(complete('to: x,\n  y\n\n', WITH_T).header, new RegExp(`^to: x@${HOST}, y@`, 'm'))
  })

  test('bytes that are no UTF-8 pass through a field that is completed', () => {
    const text = Buffer.from('To: J\xfcrgen <joe>\n\n', 'latin1')
    const answer = answerOf(text, WITH_T)
    assert.ok(answer.ok)
    assert.ok(answer.value.header.includes(Buffer.from('J\xfcrgen <joe@sun', 'latin1')))
  })

  test('-G leaves all but what must go', () => {
    const done = complete('To: x\nBcc: y\n\n', { ...to('a@b.c'), gateway: true })
    assert.equal(done.header, 'To: x\n\n')
  })
})

suite('recipients', () => {
  const text = 'To: a, grp: b, c@x.y;\nCc: Bob <d@e.f>\nBcc: s@t.u\nApparently-To: ap\n\n'
  const inHeader = [`a@${HOST}`, `b@${HOST}`, 'c@x.y', 'd@e.f', 's@t.u', `ap@${HOST}`]

  test('INJ-7, CLI-1: with -t all recipient fields name recipients', () => {
    assert.deepEqual(complete(text, WITH_T).recipients, inHeader)
  })

  test('INJ-8: without -t arguments alone do, completed', () => {
    assert.deepEqual(complete(text, to('r1', 'r2@h+')).recipients, [
      `r1@${HOST}`,
      'r2@h.example.edu',
    ])
  })

  test('INJ-9, CLI-2: with -t arguments are added, in front', () => {
    const both = { ...WITH_T, recipients: ['r1'] }
    assert.deepEqual(complete(text, both).recipients, [`r1@${HOST}`, ...inHeader])
  })

  test('an address named twice gets one copy; the case of a local part matters', () => {
    const twice = { ...WITH_T, recipients: ['a@B.c', 'A@b.c'] }
    assert.deepEqual(complete('To: a@b.C, a@b.c\n\n', twice).recipients, ['a@B.c', 'A@b.c'])
  })

  test('an argument may be a list', () => {
    assert.deepEqual(complete('', to('a@b.c, Bob <d@e.f>')).recipients, ['a@b.c', 'd@e.f'])
  })

  test('CLI-8: NOTIFY goes with each', () => {
    const answer = answerOf('', { ...to('a@b.c'), notify: ['never'] })
    assert.deepEqual(answer.ok && answer.value.recipients, [
      { address: 'a@b.c', notify: ['never'] },
    ])
  })

  test('an address beyond ASCII asks for SMTPUTF8, a name does not', () => {
    const utf8 = (given: string) => {
      const answer = answerOf(given, WITH_T)
      return answer.ok && [answer.value.smtputf8, answer.value.recipients[0]?.address]
    }
    assert.deepEqual(utf8('To: jürgen@bücher.example\n\n'), [true, 'jürgen@bücher.example'])
    assert.deepEqual(utf8('To: Jürgen <j@b.example>\n\n'), [false, 'j@b.example'])
  })
})

suite('the sender', () => {
  const from = (header: string) => /^From: (.*(?:\n .*)*)$/m.exec(header)?.[1]

  test('CLI-4: -f says who sends, and is the From together with -F', () => {
    const done = complete('', { ...to('a@b.c'), name: 'Big Boss', sender: 'boss@af.mil' })
    assert.equal(from(done.header), '"Big Boss" <boss@af.mil>')
    assert.equal(done.reversePath, 'boss@af.mil')
  })

  test('CLI-5, INJ-14: the null sender, with and without brackets; From is then the account', () => {
    for (const sender of ['', '<>', ' ']) {
      const done = complete('', { ...to('a@b.c'), sender })
      assert.equal(done.reversePath, '')
      assert.equal(from(done.header), `joe@${HOST}`)
    }
  })

  test('INJ-14: -f is completed like any address', () => {
    assert.equal(
      complete('', { ...to('a@b.c'), sender: 'x@host' }).reversePath,
      'x@host.ee.example.edu',
    )
  })

  test('INJ-17: a name that needs quoting gets it', () => {
    const done = complete('', { ...to('a@b.c'), environment: { QMAILUSER: 'joe q' } })
    assert.equal(done.reversePath, `"joe q"@${HOST}`)
    assert.equal(from(done.header), `"joe q"@${HOST}`)
  })

  test('the environment chooses user, host and name', () => {
    const environment = { QMAILUSER: 'boss', QMAILHOST: 'af.mil', QMAILNAME: 'Big Boss' }
    const done = complete('', { ...to('a@b.c'), environment })
    assert.equal(from(done.header), '"Big Boss" <boss@af.mil>')
    assert.equal(done.reversePath, 'boss@af.mil')
    const c = complete('', { ...to('a@b.c'), environment: { ...environment, QMAILINJECT: 'c' } })
    assert.equal(from(c.header), 'boss@af.mil (Big Boss)')
    const f = { ...to('a@b.c'), environment: { ...environment, QMAILINJECT: 'f' } }
    assert.equal(from(complete('From: god@x.y\n\n', f).header), '"Big Boss" <boss@af.mil>')
  })

  test('without a login name the uid is one', () => {
    const { login: _, ...nobody } = to('a@b.c')
    assert.equal(complete('', nobody).reversePath, `uid-1000@${HOST}`)
  })

  test('nothing in the environment can begin a new field', () => {
    const evil = 'x\nBcc: victim@v.w\r\n'
    const environment = { QMAILUSER: evil, QMAILHOST: evil, NAME: evil, QMAILINJECT: evil }
    const given = { ...to('a@b.c'), name: evil, environment }
    for (const invocation of [
      { ...given, sender: '' },
      { ...given, environment: { ...environment, QMAILHOST: 'h.example' } },
    ]) {
      const done = complete('', invocation)
      assert.doesNotMatch(done.header, /^bcc/im)
      assert.doesNotMatch(done.header, /\r/)
    }
    assert.match(problemOf('', given), /^5\.1\.7 .*environment/)
  })
})

suite('what goes back to its sender', () => {
  const cases: readonly (readonly [string, string, Invocation, RegExp])[] = [
    ['no recipients', 'Subject: x\n\n', WITH_T, /^5\.1\.0 .*no recipients/],
    ['an empty recipient', 'To: <>\n\n', WITH_T, /no recipients/],
    ['a broken To, with -t', 'To: x@y.z, foo (unclosed\n\n', WITH_T, /not closed.*foo \(unclosed/],
    ['INJ-16: a broken From, with -t', 'To: a@b.c\nFrom: f (u\n\n', WITH_T, /From: f \(u/],
    ['a broken argument', '', to('a b (c'), /^5\.1\.3/],
    ['an argument no envelope can carry', '', to('a@b\u0000c'), /^5\.1\.3/],
    ['an argument that was no UTF-8', '', to('\ufffd@b.c'), /^5\.1\.3/],
    ['an endless address', '', to(`${'x'.repeat(1_000)}@b.c`), /^5\.1\.3/],
    ['two senders', '', { ...to('a@b.c'), sender: 'a@b.c, d@e.f' }, /^5\.1\.7/],
    ['a broken sender', '', { ...to('a@b.c'), sender: '<a' }, /^5\.1\.7/],
    ['an endless sender', '', { ...to('a@b.c'), sender: `${'x'.repeat(300)}@b.c` }, /^5\.1\.7/],
    ['a domain that is none', '', to('a@b..c'), /^5\.1\.3/],
    ['a literal that is none', '', to('a@[1.2.3]'), /^5\.1\.3/],
    [
      'an endless host in the environment',
      '',
      { ...to('a@b.c'), environment: { QMAILHOST: 'x'.repeat(30_000) } },
      /^5\.1\.7 The sender that the environment names .{1,300}$/,
    ],
    [
      'an endless user in the environment',
      '',
      { ...to('a@b.c'), environment: { QMAILSUSER: 'x'.repeat(300) } },
      /^5\.1\.7/,
    ],
    [
      'no UTF-8 in the environment',
      '',
      { ...to('a@b.c'), environment: { QMAILUSER: '\ufffd' } },
      /^5\.1\.7/,
    ],
  ]
  for (const [why, text, invocation, expected] of cases) {
    test(why, () => assert.match(problemOf(text, invocation), expected))
  }

  test('what it says of foreign text holds no control characters', () => {
    for (const text of ['a\0\x1b (', '\0@b.c']) {
      assert.match(problemOf('', to(text)), /^[^\u0000-\u001f\u007f]+$/)
      assert.match(problemOf('', { ...to('a@b.c'), sender: text }), /^[^\u0000-\u001f\u007f]+$/)
    }
  })

  test('a sender that only the environment spoils does not matter where -f names another', () => {
    const environment = { QMAILHOST: 'x'.repeat(30_000) }
    const done = complete('From: q@r.s\n\n', { ...to('a@b.c'), sender: 'me@x.y', environment })
    assert.equal(done.reversePath, 'me@x.y')
  })

  test('without -t a broken field is left as it is', () => {
    assert.ok(complete('To: foo (unclosed\n\n', to('a@b.c')).header.includes('To: foo (unclosed\n'))
  })

  test('too many recipients', () => {
    const context = { ...CONTEXT, mostRecipients: 2 }
    const answer = completeSubmission(Buffer.alloc(0), to('a@b.c', 'd@e.f', 'g@h.i'), context)
    assert.equal(answer.ok ? '' : answer.problem.status, '5.5.3')
  })
})

test('no bytes and no arguments make it throw, and a header always stays a header', () => {
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.string().map((text) => Buffer.from(`To: ${text}\nFrom: ${text}\n\n`)),
  )
  fc.assert(
    fc.property(texts, fc.string(), fc.string(), (bytes, recipient, name) => {
      const invocation = { ...WITH_T, name, recipients: ['a@b.c', recipient] }
      const answer = completeSubmission(bytes, invocation, CONTEXT)
      if (!answer.ok) return
      assert.doesNotMatch(answer.value.header.toString('latin1'), /\n\n[^]/)
    }),
  )
})
