/**
 * Decoders for records that one program receives from another.
 *
 * Every contract is a TypeScript type and a `Shape` of it. A shape takes what `JSON.parse` made of
 * foreign bytes and answers a fresh value holding only the fields it names, or says what is wrong.
 * The sender may be malicious: every text and list has a limit, numbers are safe integers in a
 * range, and unknown fields are dropped rather than carried on.
 */

import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'

export type Shape<Value> = (input: unknown) => Result<Value, string>
export type ValueOf<S> = S extends Shape<infer Value> ? Value : never

/** A text of at most `longest` UTF-16 units; control characters are the business of its reader. */
export function text(longest: number): Shape<string> {
  return (input) =>
    typeof input === 'string' && input.length <= longest
      ? ok(input)
      : refused(`not a text of at most ${longest} characters`)
}

export function integer(least: number, most: number): Shape<number> {
  return (input) =>
    typeof input === 'number' && Number.isSafeInteger(input) && input >= least && input <= most
      ? ok(input)
      : refused(`not a whole number from ${least} to ${most}`)
}

export const flag: Shape<boolean> = (input) =>
  typeof input === 'boolean' ? ok(input) : refused('not true or false')

export function oneOf<const Word extends string>(...words: readonly Word[]): Shape<Word> {
  return (input) => {
    const word = words.find((candidate) => candidate === input)
    return word === undefined ? refused(`not one of ${words.join(', ')}`) : ok(word)
  }
}

export function list<Value>(of: Shape<Value>, most: number): Shape<readonly Value[]> {
  return (input) => {
    if (!Array.isArray(input) || input.length > most)
      return refused(`not a list of at most ${most}`)
    const values: Value[] = []
    for (const item of input) {
      const decoded = of(item)
      if (!decoded.ok) return refused(`item ${values.length}: ${decoded.problem}`)
      values.push(decoded.value)
    }
    return ok(values)
  }
}

/** Marks a field that may be absent; absent stays absent and never becomes `undefined`. */
export interface Optional<Value> {
  readonly optional: Shape<Value>
}

export function optional<Value>(shape: Shape<Value>): Optional<Value> {
  return { optional: shape }
}

type Fields = Readonly<Record<string, Shape<unknown> | Optional<unknown>>>
type Simplify<T> = { readonly [K in keyof T]: T[K] }
export type RecordOf<F extends Fields> = Simplify<
  { readonly [K in keyof F as F[K] extends Shape<unknown> ? K : never]: ValueOf<F[K]> } & {
    readonly [K in keyof F as F[K] extends Shape<unknown> ? never : K]?: F[K] extends Optional<
      infer Value
    >
      ? Value
      : never
  }
>

export function record<const F extends Fields>(fields: F): Shape<RecordOf<F>> {
  const entries = Object.entries(fields)
  return (input) => {
    if (typeof input !== 'object' || input === null) return refused('not a record')
    const given = input as Readonly<Record<string, unknown>>
    const value: Record<string, unknown> = {}
    for (const [name, field] of entries) {
      const present = Object.hasOwn(given, name) ? given[name] : undefined
      if (present === undefined && typeof field !== 'function') continue
      const decoded = (typeof field === 'function' ? field : field.optional)(present)
      if (!decoded.ok) return refused(`${name}: ${decoded.problem}`)
      value[name] = decoded.value
    }
    return ok(value as RecordOf<F>)
  }
}

/** A closed union told apart by one field, for example `kind`. */
export function union<
  const Tag extends string,
  const Variants extends Readonly<Record<string, Shape<unknown>>>,
>(tag: Tag, variants: Variants): Shape<UnionOf<Tag, Variants>> {
  return (input) => {
    if (typeof input !== 'object' || input === null) return refused('not a record')
    const word = (input as Readonly<Record<string, unknown>>)[tag]
    const shape =
      typeof word === 'string' && Object.hasOwn(variants, word) ? variants[word] : undefined
    if (shape === undefined)
      return refused(`${tag}: not one of ${Object.keys(variants).join(', ')}`)
    const decoded = shape(input)
    if (!decoded.ok) return decoded
    return ok({ [tag]: word, ...(decoded.value as object) } as UnionOf<Tag, Variants>)
  }
}

export type UnionOf<
  Tag extends string,
  Variants extends Readonly<Record<string, Shape<unknown>>>,
> = {
  [Word in keyof Variants & string]: Simplify<
    { readonly [T in Tag]: Word } & ValueOf<Variants[Word]>
  >
}[keyof Variants & string]
