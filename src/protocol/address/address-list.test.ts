import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { completeEntry, formatAddressField } from './address-format.ts'
import { addressesOf, mailboxOf, parseAddressList } from './address-list.ts'
import { formatMailbox } from './mailbox.ts'

const NAMES = {
  defaultHost: 'sun.ee.example.edu',
  defaultDomain: 'ee.example.edu',
  plusDomain: 'example.edu',
}
const MOST = 100_000

function entriesOf(text: string) {
  const list = parseAddressList(text, MOST)
  assert.ok(list.ok, `${text}: ${list.ok ? '' : list.problem}`)
  return list.value
}

/** The field as it is written again, completed, without its name. */
function rewritten(text: string): string {
  const entries = entriesOf(text).map((entry) => completeEntry(entry, NAMES))
  return formatAddressField('To', entries).slice('To: '.length, -1)
}

function envelope(text: string): readonly string[] {
  const entries = entriesOf(text).map((entry) => completeEntry(entry, NAMES))
  return addressesOf(entries).map((address) => {
    const mailbox = mailboxOf(address)
    return mailbox === undefined ? '' : formatMailbox(mailbox)
  })
}

suite('fields are completed by fixed rules', () => {
  const cases = [
    [
      'ADR-1: plus domain, default domain, folding',
      'eric@mammoth.cs+, joe@mac+, joe@mac, a@b.c',
      'eric@mammoth.cs.example.edu, joe@mac.example.edu, joe@mac.ee.example.edu,\n  a@b.c',
    ],
    ['ADR-2: a missing comma', 'djb fred', 'djb@sun.ee.example.edu, fred@sun.ee.example.edu'],
    [
      'ADR-3: a group stays a group',
      'random group: g@h.x, i;, k@l.y',
      'random group: g@h.x, i@sun.ee.example.edu;, k@l.y',
    ],
    [
      'ADR-4: routes go, comments and literals stay',
      '<@a.b,@c.d:user@host.org>, Bob (the builder) <bob@[1.2.3.4]>',
      '<user@host.org>, Bob (the builder) <bob@[1.2.3.4]>',
    ],
    [
      'ADR-5: words keep their quoting, blanks go, comments move behind',
      '"The Almighty".One@heaven.af.mil, "a\\"quote" (Who?) @ heaven . af .  mil',
      '"The Almighty".One@heaven.af.mil, "a\\"quote"@heaven.af.mil (Who?)',
    ],
    [
      'ADR-6: trailing dots, missing and empty addresses',
      'user@host.org., foo@, <>, <.>, <@>, x@[]',
      'user@host.org, foo@sun.ee.example.edu, <>, <>, <>, x@[]',
    ],
    ['ADR-7: dots in the local part', 'joe.bloggs@here', 'joe.bloggs@here.ee.example.edu'],
    ['a backslash makes an atom a quoted string', String.raw`a\,b@c.d`, '"a,b"@c.d'],
    ['an empty group', 'nobody: ;', 'nobody: ;'],
    ['a folded phrase', 'Bob\n the Builder <b@c.d>', 'Bob the Builder <b@c.d>'],
    ['a phrase with dots and @', 'a@b.c J. Doe <d@e.f>', 'a@b.c J. Doe <d@e.f>'],
    ['a quoted comma in a phrase', '"Doe, J." <d@e.f>, g@h.i', '"Doe, J." <d@e.f>, g@h.i'],
    ['UTF-8 stays as it is', 'Jürgen <jürgen@bücher.example>', 'Jürgen <jürgen@bücher.example>'],
  ] as const
  for (const [why, given, expected] of cases) {
    test(why, () => assert.equal(rewritten(given), expected))
  }

  test('names that are not set leave their rule out', () => {
    const entries = entriesOf('joe, a@localhost, b@c+').map((entry) =>
      completeEntry(entry, { defaultHost: 'h.example' }),
    )
    assert.equal(formatAddressField('To', entries), 'To: joe@h.example, a@localhost, b@c+\n')
  })
})

suite('addresses in the envelope', () => {
  test('quoting is undone and put back only where it is needed', () => {
    assert.deepEqual(envelope('"joe"@a.b, "The Almighty".One@h.x, "a@b"@c.d'), [
      'joe@a.b',
      '"The Almighty.One"@h.x',
      '"a@b"@c.d',
    ])
  })

  test('members of groups are addresses in their place', () => {
    assert.deepEqual(envelope('g: a@b.c, d@e.f;, h@i.j'), ['a@b.c', 'd@e.f', 'h@i.j'])
  })
})

suite('what cannot be read is refused, with the reason', () => {
  const cases = [
    ['ADR-8', 'a: b: c@d;;', 'a group inside a group'],
    ['a comment', 'foo (unclosed', 'a comment is not closed'],
    ['a nested comment', 'foo (a (b) c', 'a comment is not closed'],
    ['a quoted string', '"foo', 'a quoted string is not closed'],
    ['a literal', 'a@[1.2', 'an address literal is not closed'],
    ['a parenthesis', 'a) b', 'a ) or ] stands alone'],
    ['a bracket', 'a <b@c.d', 'an angle bracket is not closed or not opened'],
    ['a bracket in a bracket', 'a <b <c@d.e>>', 'an angle bracket is not closed or not opened'],
    ['a lone >', 'b@c.d>', 'an angle bracket is not closed or not opened'],
    ['a group', 'list: a@b.c, d@e.f', 'a group is not closed by a semicolon'],
    ['a semicolon', 'a@b.c;', 'a semicolon outside a group'],
    ['a group without a name', ': a@b.c;', 'a group without a name'],
    ['words in brackets', '<a b@c.d>', 'two words without an operator between angle brackets'],
    ['a comma in brackets', '<a@b.c, d@e.f>', 'a comma or colon between angle brackets'],
  ] as const
  for (const [why, given, problem] of cases) {
    test(`${why}: ${given}`, () => {
      const list = parseAddressList(given, MOST)
      assert.equal(list.ok ? 'was read' : list.problem, problem)
    })
  }

  test('more addresses than the limit', () => {
    assert.deepEqual(parseAddressList('a@b.c, d@e.f', 1), {
      ok: false,
      problem: 'too many addresses',
    })
  })
})

suite('laws', () => {
  test('ADR-9: 50,000 addresses in 1 MB take well under a second', () => {
    const text = Array.from({ length: 50_000 }, (_, at) => `user${at}@host${at % 9}.org`).join(', ')
    const begun = performance.now()
    assert.equal(addressesOf(entriesOf(text)).length, 50_000)
    assert.ok(performance.now() - begun < 1_000)
  })

  test('texts made to be slow are not', () => {
    const begun = performance.now()
    for (const piece of ['(', '"', '[', '<', 'a ', '\\', '((', ':', 'a:', '@', '.', '(a)']) {
      parseAddressList(piece.repeat(300_000), MOST)
    }
    assert.ok(performance.now() - begun < 4_000)
  })

  const texts = fc.string({
    unit: fc.constantFrom(...'ab.@,:;<>()[]"\\ \n\té'.split('')),
    maxLength: 30,
  })

  test('no text makes it throw', () => {
    fc.assert(fc.property(fc.oneof(texts, fc.string()), (text) => void parseAddressList(text, 10)))
  })

  test('what is written is read again as the same addresses', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const list = parseAddressList(text, MOST)
        if (!list.ok) return
        const field = formatAddressField('To', list.value).slice('To:'.length)
        const again = parseAddressList(field, MOST)
        assert.ok(again.ok, field)
        const mailboxes = (entries: typeof list.value) => addressesOf(entries).map(mailboxOf)
        assert.deepEqual(mailboxes(again.value), mailboxes(list.value))
      }),
      { numRuns: 3_000 },
    )
  })
})
