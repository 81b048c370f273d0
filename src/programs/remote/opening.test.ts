import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Opening } from './opening.ts'
import { hearOpening } from './opening.ts'

const hear = (opening: Opening, code: number, ...lines: readonly string[]) =>
  hearOpening(opening, { code, lines }, 'us.test')

for (const [opening, code, expected] of [
  ['greeting', 220, 'EHLO us.test'],
  ['greeting', 250, 'refused'],
  ['greeting', 421, 'refused'],
  ['greeting', 554, 'refused'],
  ['ehlo', 250, 'open'],
  ['ehlo', 220, 'refused'],
  ['ehlo', 421, 'refused'],
  ['ehlo', 500, 'HELO us.test'],
  ['ehlo', 550, 'HELO us.test'],
  ['helo', 250, 'open'],
  ['helo', 451, 'refused'],
  ['helo', 500, 'refused'],
] as const) {
  test(`${code} to the ${opening} means ${expected}`, () => {
    const turn = hear(opening, code, 'text')
    assert.equal(turn.kind === 'say' ? turn.line : turn.kind, expected)
  })
}

test('extensions are read in any case, with their parameters, and the first line is none', () => {
  const turn = hear('ehlo', 250, 'SIZE.test', 'Size 1000', 'pipelining', 'AUTH=LOGIN', ' odd', '')
  assert.deepEqual(turn.kind === 'open' && [...turn.peer.extensions], [
    ['SIZE', '1000'],
    ['PIPELINING', ''],
    ['AUTH', 'LOGIN'],
  ])
})
