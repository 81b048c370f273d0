import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ContentDecoder } from './data.ts'

interface Reading {
  readonly content: string
  readonly problem: string | undefined
  readonly ended: boolean
  /** What stands behind the end. */
  readonly rest: string
}

function read(text: string, cuts: readonly number[] = [], form: 'DATA' | 'BDAT' = 'DATA'): Reading {
  const decoder = new ContentDecoder(form, 100)
  const bounds = [0, ...cuts, text.length]
  let content = ''
  let rest = ''
  for (let index = 1; index < bounds.length; index += 1) {
    const bytes = Buffer.from(text.slice(bounds[index - 1], bounds[index]), 'latin1')
    const decoded = decoder.decode(bytes)
    content += decoded.content.toString('latin1')
    rest += bytes.subarray(decoded.next).toString('latin1')
  }
  const { problem, ended } = decoder
  // Pieces passed on before a problem showed up are cancelled by the caller.
  return { content: problem === undefined ? content : '', problem, ended, rest }
}

const taken = (content: string, rest = '') => ({ content, problem: undefined, ended: true, rest })

test('dots are unstuffed, CRLF becomes LF, what follows is not touched', () => {
  assert.deepEqual(read('.\r\n'), taken(''))
  assert.deepEqual(read('\r\n.\r\n'), taken('\n'))
  assert.deepEqual(read('a\r\n.\r\nQUIT\r\n'), taken('a\n', 'QUIT\r\n'))
  assert.deepEqual(read('..\r\n...\r\n.x\r\na.\r\n.\r\n'), taken('.\n..\nx\na.\n'))
  assert.deepEqual(read('\t\x01\x7f\xff\r\n.\r\n'), taken('\t\x01\x7f\xff\n'))
})

test('without CRLF.CRLF there is no end', () => {
  for (const text of ['', 'a', 'a\r\n', 'a\r\n.', 'a\r\n.\r', 'a\r\n..\r\n', 'x.\r\n']) {
    assert.deepEqual([read(text).ended, read(text).problem], [false, undefined], text)
  }
})

test('lines may be as long as the limit', () => {
  assert.equal(read(`${'x'.repeat(100)}\r\n.\r\n`).problem, undefined)
  assert.equal(read(`${'x'.repeat(101)}\r\n.\r\n`).problem, 'line too long')
})

/** The rule itself, said in another way: cut at every CRLF.CRLF, look for what stands alone. */
function expected(text: string): Reading {
  const end = `\r\n${text}`.indexOf('\r\n.\r\n')
  if (end === -1) return { content: '', problem: undefined, ended: false, rest: '' }
  const content = text.slice(0, end)
  const alone = content.replaceAll('\r\n', '').match(/[\r\n\0]/)
  const lines = content.split('\r\n').map((line) => (line.startsWith('.') ? line.slice(1) : line))
  return {
    content: alone === null ? lines.join('\n') : '',
    problem: alone === null ? undefined : 'alone',
    ended: true,
    rest: text.slice(end + 3),
  }
}

const LINE_ENDS = ['\n', '\r', '\r\n', '\r\r\n', '\0'] as const

const MATRIX = LINE_ENDS.flatMap((before) => LINE_ENDS.map((after) => [before, after] as const))

function pairsUpTo(most: number): readonly (readonly [number, number])[] {
  const places = Array.from({ length: most + 1 }, (_, place) => place)
  return places.flatMap((one) => places.slice(one).map((other) => [one, other] as const))
}

test('the matrix of line ends around a dot, in every cutting: one end of data and no other', () => {
  for (const [before, after] of MATRIX) {
    const text = `a${before}.${after}MAIL FROM:<x>\r\n.\r\nNOOP\r\n`
    const rule = expected(text)
    assert.equal(rule.problem === undefined, before === '\r\n' && after === '\r\n')
    for (const cuts of pairsUpTo(text.length)) {
      const reading = read(text, cuts)
      const problem = reading.problem === undefined ? undefined : 'alone'
      assert.deepEqual({ ...reading, problem }, rule, JSON.stringify([text, cuts]))
    }
  }
})

const hostile = fc.string({
  unit: fc.constantFrom('\r', '\n', '\r\n', '.', '\r\n.', 'a', '\0', '.\r\n'),
})

test('any bytes in any cutting are read by the one rule', () => {
  fc.assert(
    fc.property(hostile, fc.array(fc.nat(60)), (text, places) => {
      const cuts = places.filter((place) => place <= text.length).sort((a, b) => a - b)
      const rule = expected(text)
      const reading = read(text, cuts)
      assert.equal(reading.ended, rule.ended)
      if (!rule.ended) return
      const problem = reading.problem === undefined ? undefined : 'alone'
      assert.deepEqual({ ...reading, problem }, rule)
    }),
    { numRuns: 3_000 },
  )
})

test('content sent with BDAT knows no dots, and the same line ends', () => {
  assert.equal(read('.\r\n..a\r\n', [], 'BDAT').content, '.\n..a\n')
  for (const text of ['a\nb', 'a\rb', '\0', '\r\r\n']) {
    assert.notEqual(read(text, [], 'BDAT').problem, undefined, JSON.stringify(text))
  }
})

test('the end of BDAT completes the last line, but not half a line end', () => {
  const finish = (text: string) => {
    const decoder = new ContentDecoder('BDAT', 100)
    decoder.decode(Buffer.from(text))
    return [decoder.finish(), decoder.problem]
  }
  assert.deepEqual(finish(''), ['', undefined])
  assert.deepEqual(finish('a\r\n'), ['', undefined])
  assert.deepEqual(finish('a'), ['\n', undefined])
  assert.deepEqual(finish('a\r'), ['', 'bare CR'])
})

test('decoding starts where it is told to, and leaves the bytes before alone', () => {
  const bytes = Buffer.from('DATA\r\na\r\n.\r\nQUIT')
  const { content, next } = new ContentDecoder('DATA', 100).decode(bytes, 6)
  assert.deepEqual([content.toString(), next], ['a\n', 12])
  assert.equal(bytes.toString('latin1', 0, 6), 'DATA\r\n')
  assert.equal(bytes.toString('latin1', next), 'QUIT')
})
