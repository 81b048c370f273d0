import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Command } from './command.ts'
import { parseCommand, VERBS } from './command.ts'

const limits = { address: { localPart: 64, domain: 255 }, parameters: 8, name: 40 }
const parse = (line: string) => parseCommand(line, limits)
const none = { body: '7bit', smtputf8: false } as const

test('commands that are understood', () => {
  const cases: readonly (readonly [string, Command])[] = [
    ['EHLO client.example', { verb: 'EHLO', name: 'client.example' }],
    ['helo [192.0.2.1]', { verb: 'HELO', name: '[192.0.2.1]' }],
    ['MAIL FROM:<>', { verb: 'MAIL', reversePath: '', parameters: none }],
    ['mail from:<a@b.c>', { verb: 'MAIL', reversePath: 'a@b.c', parameters: none }],
    ['MAIL FROM: <a@b.c>', { verb: 'MAIL', reversePath: 'a@b.c', parameters: none }],
    ['MAIL FROM:<"a"@b.c>', { verb: 'MAIL', reversePath: 'a@b.c', parameters: none }],
    [
      'RCPT TO:<joe@b.c>  NOTIFY=NEVER ',
      {
        verb: 'RCPT',
        forwardPath: { localPart: 'joe', domain: 'b.c' },
        parameters: { notify: ['never'] },
      },
    ],
    ['DATA', { verb: 'DATA' }],
    ['rset  ', { verb: 'RSET' }],
    ['BDAT 5 LAST', { verb: 'BDAT', size: 5, last: true }],
    ['NOOP anything', { verb: 'NOOP' }],
    ['QUIT', { verb: 'QUIT' }],
    ['', { verb: 'unknown' }],
    ['STARTTLS', { verb: 'unknown' }],
    ['constructor', { verb: 'unknown' }],
    ['DATA\tx', { verb: 'unknown' }],
  ]
  for (const [line, command] of cases) assert.deepEqual(parse(line), command, line)
})

test('what is wrong with a command is said, together with its verb', () => {
  const cases = [
    ['EHLO', 'EHLO', 'no name'],
    [`EHLO ${'x'.repeat(41)}`, 'EHLO', 'no name'],
    ['MAIL', 'MAIL', 'bad arguments'],
    ['MAIL FROM <a@b.c>', 'MAIL', 'bad arguments'],
    ['MAIL TO:<a@b.c>', 'MAIL', 'bad arguments'],
    ['MAIL FROM:a@b.c', 'MAIL', 'no angle brackets'],
    ['MAIL FROM:<a@b.c>X=1', 'MAIL', 'bad arguments'],
    ['MAIL FROM:<a@b.c> FOO', 'MAIL', 'unknown parameter'],
    ['MAIL FROM:<ö@b.c>', 'MAIL', 'needs SMTPUTF8'],
    ['RCPT TO:<>', 'RCPT', 'empty path'],
    ['RCPT TO:<a@b.c> NOTIFY=X', 'RCPT', 'bad parameter'],
    ['BDAT', 'BDAT', 'bad arguments'],
    ['DATA now', 'DATA', 'no arguments allowed'],
  ] as const
  for (const [line, of, problem] of cases) {
    assert.deepEqual(parse(line), { verb: 'malformed', of, problem }, line)
  }
})

test('no line makes it throw', () => {
  const line = fc.tuple(fc.constantFrom(...VERBS, ''), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(line, ([verb, rest]) => {
      parse(`${verb}${rest}`)
      parse(`${verb} ${rest}`)
    }),
  )
})
