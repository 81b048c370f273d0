import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Invocation } from './drop-file.ts'
import { DROP_END_SIZE, formatDropFile, parseDropEnd, parseDropHead } from './drop-file.ts'

const LIMITS = { head: 10_000, recipients: 10 }
const PLAIN: Invocation = {
  recipients: [],
  recipientsInHeader: false,
  keepDots: false,
  gateway: false,
  eightBit: false,
  hops: 0,
  environment: {},
}

function read(file: Uint8Array) {
  const head = parseDropHead(file, LIMITS)
  if (!head.ok || head.value === 'more') return head
  const { invocation, messageStart } = head.value
  const end = parseDropEnd(file.subarray(-DROP_END_SIZE), file.length, messageStart)
  if (!end.ok) return end
  const message = Buffer.from(file.subarray(messageStart, end.value))
  return { ok: true as const, value: { invocation, message } }
}

const invocations: fc.Arbitrary<Invocation> = fc.record(
  {
    login: fc.constantFrom('joe', '_x.y-z'),
    sender: fc.string(),
    name: fc.string({ unit: 'grapheme' }),
    recipients: fc.array(fc.string(), { maxLength: 5 }),
    recipientsInHeader: fc.boolean(),
    keepDots: fc.boolean(),
    gateway: fc.boolean(),
    eightBit: fc.boolean(),
    notify: fc.constantFrom(['never'] as const, ['success', 'delay'] as const),
    ret: fc.constantFrom('full', 'hdrs'),
    envelopeId: fc.constantFrom('QQ314159', 'a+2Bb'),
    hops: fc.integer({ min: 0, max: 9_999 }),
    environment: fc.constantFrom({}, { QMAILUSER: 'boss', NAME: 'a\nb 5:x,' }),
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      'recipients',
      'recipientsInHeader',
      'keepDots',
      'gateway',
      'eightBit',
      'hops',
      'environment',
    ],
  },
)

suite('laws', () => {
  test('what is written is read', () => {
    fc.assert(
      fc.property(invocations, fc.uint8Array(), (invocation, message) => {
        const again = read(formatDropFile(invocation, message))
        assert.deepEqual(again, {
          ok: true,
          value: { invocation, message: Buffer.from(message) },
        })
      }),
    )
  })

  test('any beginning of a head asks for more or says what is wrong, and never throws', () => {
    fc.assert(
      fc.property(invocations, fc.nat(), (invocation, cut) => {
        const file = formatDropFile(invocation, Buffer.alloc(0))
        const whole = parseDropHead(file, LIMITS)
        assert.ok(whole.ok && whole.value !== 'more')
        const some = parseDropHead(file.subarray(0, cut % whole.value.messageStart), LIMITS)
        assert.deepEqual(some, { ok: true, value: 'more' })
      }),
    )
  })

  test('no bytes make it throw', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string().map((text) => Buffer.from(`postern-drop 1\n${text}`)),
      fc.string().map((text) => Buffer.from(`postern-drop 1\nsender 3:${text}`)),
    )
    fc.assert(fc.property(bytes, (file) => void read(file)))
  })
})

suite('files that are not what they should be', () => {
  const cases = [
    ['of another program', 'hello, world, how are you\n', 'not a drop file'],
    ['of a later version', 'postern-drop 2\nx\n', 'of another version'],
    ['a key that is not known', 'postern-drop 1\nroot 3:yes,\nmessage\n', 'its head is malformed'],
    [
      'an unknown variable',
      'postern-drop 1\nenvironment 3:A=b,\nmessage\n',
      'its head is malformed',
    ],
    [
      'a size that does not fit',
      'postern-drop 1\nsender 2:abc,\nmessage\n',
      'its head is malformed',
    ],
    [
      'a size with a zero in front',
      'postern-drop 1\nname 01:a,\nmessage\n',
      'its head is malformed',
    ],
    [
      'a value given twice',
      'postern-drop 1\nname 1:a,\nname 1:b,\nmessage\n',
      'its head is malformed',
    ],
    ['a size beyond reason', 'postern-drop 1\nsender 99999999999:', 'its head is malformed'],
    ['a value it cannot have', 'postern-drop 1\nret 4:some,\nmessage\n', 'its head is malformed'],
    ['no end', 'postern-drop 1\nmessage\nSubject: x\n', 'its end is missing'],
    ['an end with another length', 'postern-drop 1\nmessage\nabc\nend 4\n', 'its end is missing'],
    ['an end before its message', 'postern-drop 1\nmessage\nend 0\n', 'its end is missing'],
  ] as const
  for (const [why, text, problem] of cases) {
    test(`${why}: ${problem}`, () => {
      const answer = read(Buffer.from(text))
      assert.equal(answer.ok ? 'was read' : answer.problem, problem)
    })
  }

  test('a head or a list of recipients over the limit', () => {
    const long = formatDropFile({ ...PLAIN, sender: 'x'.repeat(20_000) }, Buffer.alloc(0))
    assert.deepEqual(parseDropHead(long, LIMITS), { ok: false, problem: 'its head is too long' })
    const many = formatDropFile({ ...PLAIN, recipients: Array(11).fill('a@b.c') }, Buffer.alloc(0))
    assert.deepEqual(read(many), { ok: false, problem: 'it names too many recipients' })
  })

  test('an envelope id has at most 100 characters as written, however few it stands for', () => {
    const idOf = (envelopeId: string) => {
      const answer = read(formatDropFile({ ...PLAIN, envelopeId }, Buffer.alloc(0)))
      return answer.ok && answer.value !== 'more' ? answer.value.invocation.envelopeId : 'malformed'
    }
    const longest = `${'+2B'.repeat(33)}x`
    assert.equal(idOf(longest), longest)
    assert.equal(idOf('+2B'.repeat(34)), 'malformed')
    assert.equal(idOf('x'.repeat(101)), 'malformed')
  })

  test('a login name outside the account grammar is no hint, and no obstacle', () => {
    const answer = read(formatDropFile({ ...PLAIN, login: '0' }, Buffer.alloc(0)))
    assert.ok(answer.ok && answer.value !== 'more')
    assert.equal('login' in answer.value.invocation, false)
  })

  test('the message may look like anything, an end line for one', () => {
    const message = Buffer.from('\nend 3\n\nmessage\n\nend 0\n')
    const answer = read(formatDropFile(PLAIN, message))
    assert.ok(answer.ok && answer.value !== 'more' && 'message' in answer.value)
    assert.deepEqual(answer.value.message, message)
  })
})
