import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { finishMbox, QUOTING, quoteMbox } from './mboxrd.ts'

function quoteAll(pieces: readonly Buffer[]): string {
  let quoting = QUOTING
  const written: Buffer[] = []
  for (const piece of pieces) {
    const quoted = quoteMbox(quoting, piece)
    quoting = quoted.quoting
    written.push(quoted.bytes)
  }
  return Buffer.concat([...written, finishMbox(quoting)]).toString('latin1')
}

/** What a reader does: one `>` less, and the empty line at the end is not the message's. */
function unquote(text: string): string {
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => line.replace(/^>(>*From )/, '$1'))
    .join('\n')
}

test('MB-1: From lines are quoted, quoted ones once more, and a missing line end is supplied', () => {
  const message = Buffer.from('From here\n>From there\nlast')
  assert.equal(quoteAll([message]), '>From here\n>>From there\nlast\n\n')
})

test('only a From with its space at the beginning of a line is quoted', () => {
  const text = 'a From b\nFromage\n> From x\n>>>From \nFrom'
  assert.equal(quoteAll([Buffer.from(text)]), 'a From b\nFromage\n> From x\n>>>>From \nFrom\n\n')
})

test('an empty message is one empty line', () => {
  assert.equal(quoteAll([]), '\n')
})

const lines = fc
  .array(fc.constantFrom('From ', '>', 'From', 'F', 'x', '\n', '>>From ', ' ', 'Fr'), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

test('law: any chunking gives the same bytes', () => {
  fc.assert(
    fc.property(lines, fc.array(fc.nat(8), { maxLength: 60 }), (text, cuts) => {
      const bytes = Buffer.from(text)
      const pieces: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        pieces.push(bytes.subarray(at, at + cut))
        at += cut
      }
      pieces.push(bytes.subarray(at))
      assert.equal(quoteAll(pieces), quoteAll([bytes]))
    }),
  )
})

test('law: a reader that unquotes has the message back', () => {
  fc.assert(
    fc.property(lines, (text) => {
      const whole = text === '' || text.endsWith('\n') ? text : `${text}\n`
      assert.equal(unquote(quoteAll([Buffer.from(text)])), whole)
    }),
  )
})
