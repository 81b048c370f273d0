import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Frame } from './frame.ts'
import {
  decodeCredit,
  decodeFrame,
  encodeCredit,
  encodeFrameHeader,
  FRAME_HEADER_SIZE,
  FRAME_KINDS,
  LONGEST_PAYLOAD,
} from './frame.ts'

function encode(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + frame.payload.length)
  encodeFrameHeader(bytes, 0, { ...frame, length: frame.payload.length })
  bytes.set(frame.payload, FRAME_HEADER_SIZE)
  return bytes
}

const frames = fc.record({
  kind: fc.constantFrom(...FRAME_KINDS),
  stream: fc.integer({ min: 0, max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 300 }),
})

test('what is encoded is decoded to the same frame', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      const bytes = encode(frame)
      const decoded = decodeFrame(bytes, 0)
      assert.ok(decoded.ok && 'frame' in decoded.value)
      const { kind, stream, payload } = decoded.value.frame
      assert.deepEqual([kind, stream, ...payload], [frame.kind, frame.stream, ...frame.payload])
      assert.equal(decoded.value.end, bytes.length)
    }),
  )
})

test('a frame that is not complete says how many bytes it needs, never something else', () => {
  const bytes = encode({ kind: 'data', stream: 7, payload: new Uint8Array(20) })
  for (let length = 0; length < bytes.length; length += 1) {
    const decoded = decodeFrame(bytes.subarray(0, length), 0)
    const need = length < FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE : bytes.length
    assert.deepEqual(decoded, { ok: true, value: { need } })
  }
})

test('a payload over the limit is refused as soon as its header has been read', () => {
  const header = new Uint8Array(FRAME_HEADER_SIZE)
  encodeFrameHeader(header, 0, { kind: 'data', stream: 1, length: LONGEST_PAYLOAD + 1 })
  assert.deepEqual(decodeFrame(header, 0), { ok: false, problem: 'payload too long' })
  encodeFrameHeader(header, 0, { kind: 'data', stream: 1, length: 0xffff_ffff })
  assert.deepEqual(decodeFrame(header, 0), { ok: false, problem: 'payload too long' })
})

test('an unknown kind is refused', () => {
  const header = new Uint8Array(FRAME_HEADER_SIZE)
  for (const kind of [0, 9, 255]) {
    header[8] = kind
    assert.deepEqual(decodeFrame(header, 0), { ok: false, problem: 'unknown kind' })
  }
})

test('no bytes whatever make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(120), (bytes, offset) => {
      decodeFrame(bytes, offset)
    }),
  )
})

test('credit is 32 bits, and nothing else is credit', () => {
  assert.deepEqual(decodeCredit(encodeCredit(0xfedc_ba98)), { ok: true, value: 0xfedc_ba98 })
  assert.equal(decodeCredit(new Uint8Array(3)).ok, false)
  assert.equal(decodeCredit(new Uint8Array(5)).ok, false)
})
