import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LinePosition } from './dot-stuffing.ts'
import { endOfData, stuffDots } from './dot-stuffing.ts'

/** The whole of what is sent for these pieces, or the problem. */
function encode(pieces: readonly Uint8Array[]): string {
  let position: LinePosition = 'start'
  let wire = ''
  for (const piece of pieces) {
    const stuffed = stuffDots(position, piece)
    if (!stuffed.ok) return stuffed.problem
    position = stuffed.value.position
    wire += Buffer.from(stuffed.value.bytes).toString('latin1')
  }
  return wire + endOfData(position)
}
const encodeText = (text: string) => encode([Buffer.from(text, 'latin1')])

for (const [content, wire, why] of [
  ['', '.\r\n', 'SMC-8: an empty body is the lone terminator'],
  ['.\n', '..\r\n.\r\n', 'SMC-8: a line with a dot gets a second one'],
  ['..\n', '...\r\n.\r\n', 'SMC-8: a line with two dots gets a third one'],
  ['a.b\n', 'a.b\r\n.\r\n', 'a dot inside a line stays'],
  ['a\n.b\n', 'a\r\n..b\r\n.\r\n', 'a dot that begins a later line is doubled'],
  ['a', 'a\r\n.\r\n', 'a missing last line end is added'],
  ['.', '..\r\n.\r\n', 'a lone dot without a line end'],
  ['\n\n', '\r\n\r\n.\r\n', 'empty lines'],
  ['\xff\x80\n', '\xff\x80\r\n.\r\n', '8-bit bytes pass'],
  ['a\r\n.\r\nMAIL FROM:<x>\r\n', 'a CR', 'a message that holds CR is refused'],
  ['A\r.\nMAIL FROM:<x>\n', 'a CR', 'a bare CR before a dot is refused'],
  ['a\0b', 'a NUL', 'a NUL is refused'],
] as const) {
  test(why, () => {
    assert.equal(encodeText(content), wire)
  })
}

const lfForm = fc
  .array(fc.constantFrom(10, 46, 46, 97, 255), { maxLength: 60 })
  .map((bytes) => Uint8Array.from(bytes))

test('law: any cutting into pieces gives the same bytes', () => {
  fc.assert(
    fc.property(lfForm, fc.integer({ min: 1, max: 9 }), (content, size) => {
      const pieces: Uint8Array[] = []
      for (let at = 0; at < content.length; at += size) pieces.push(content.slice(at, at + size))
      assert.equal(encode(pieces), encode([content]))
    }),
  )
})

test('law: a receiver reads one message, the one that was sent', () => {
  fc.assert(
    fc.property(lfForm, (content) => {
      const wire = encode([content])
      assert.equal(`\r\n${wire}`.indexOf('\r\n.\r\n'), wire.length - 3)
      const lines = wire.slice(0, -3).split('\r\n').slice(0, -1)
      const text = lines.map((line) => `${line.replace(/^\./, '')}\n`).join('')
      const sent = Buffer.from(content).toString('latin1')
      assert.equal(text, sent === '' || sent.endsWith('\n') ? sent : `${sent}\n`)
      assert.doesNotMatch(wire.replaceAll('\r\n', ''), /[\r\n]/)
    }),
  )
})
