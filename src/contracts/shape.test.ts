import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { flag, integer, list, oneOf, optional, record, text, union } from './shape.ts'

const person = record({ name: text(5), age: optional(integer(0, 150)) })

test('a record keeps the fields it names and drops the others', () => {
  assert.deepEqual(person({ name: 'joe', age: 4, uid: 0 }), {
    ok: true,
    value: { name: 'joe', age: 4 },
  })
})

test('an absent optional field stays absent', () => {
  assert.deepEqual(person({ name: 'joe' }), { ok: true, value: { name: 'joe' } })
})

test('a problem names the field, down to the item of a list', () => {
  const family = record({ members: list(person, 3) })
  const decoded = family({ members: [{ name: 'joe' }, { name: 'too long' }] })
  assert.deepEqual(decoded, {
    ok: false,
    problem: 'members: item 1: name: not a text of at most 5 characters',
  })
})

const refusals = [
  { shape: text(3), input: 'four', why: 'texts have a limit' },
  { shape: text(3), input: 7, why: 'a number is no text' },
  { shape: integer(1, 9), input: 10, why: 'beyond the range' },
  { shape: integer(1, 9), input: 1.5, why: 'not whole' },
  { shape: integer(0, Number.MAX_SAFE_INTEGER), input: 2 ** 60, why: 'not exact' },
  { shape: integer(1, 9), input: '5', why: 'a text is no number' },
  { shape: flag, input: 1, why: 'truth is a boolean' },
  { shape: oneOf('a', 'b'), input: 'c', why: 'closed set' },
  { shape: list(flag, 2), input: [true, true, true], why: 'lists have a limit' },
  { shape: list(flag, 2), input: { length: 1, 0: true }, why: 'looks like a list and is none' },
  { shape: person, input: null, why: 'null is an object to typeof' },
  { shape: person, input: undefined, why: 'nothing at all' },
  { shape: person, input: Object.create({ name: 'joe' }), why: 'inherited fields do not count' },
] as const

for (const { shape, input, why } of refusals) {
  test(`refused: ${why}`, () => assert.equal(shape(input).ok, false))
}

test('a union is told apart by its tag, and the tag cannot be a name every object has', () => {
  const animal = union('kind', { cat: record({ lives: integer(0, 9) }), dog: record({}) })
  assert.deepEqual(animal({ kind: 'cat', lives: 9 }), {
    ok: true,
    value: { kind: 'cat', lives: 9 },
  })
  for (const kind of ['bird', 'constructor', '__proto__', 7]) {
    assert.equal(animal({ kind, lives: 9 }).ok, false)
  }
})

test('no JSON value whatever makes a shape throw', () => {
  const shape = record({ a: optional(list(person, 2)), b: union('kind', { x: record({}) }) })
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      shape(value)
      shape({ a: value, b: value })
    }),
  )
})
