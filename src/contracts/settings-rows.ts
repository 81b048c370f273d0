/**
 * The building blocks of the settings table: kinds of values, settings, sections, named tables.
 *
 * Each block does two things and keeps them together: it reads what is written, answering every
 * problem with its place, and it describes itself, so that manual, JSON Schema and check come
 * from one text. What is missing or wrong is replaced by its initial value, so that reading goes on and
 * finds everything.
 */

import { nearestWord } from './nearest-word.ts'
import type { Parsed } from './settings-syntax.ts'
import type { Position, Reading, Trouble, Written, WrittenTable } from './settings-written.ts'
import { kindOf, NOWHERE, type Plain, writtenOf } from './settings-written.ts'

/** What reading needs from outside. */
export interface ReadingContext {
  /** Where relative paths start; absent: they are refused. */
  readonly directory: string | undefined
  /** U-labels to A-labels (RFC 5891); the empty text where that cannot be done. */
  readonly toAscii: (domain: string) => string
}

export type JsonSchema = { readonly [name: string]: Plain | JsonSchema }

/** A kind of value: how it is written, and how it is read. */
export interface Kind<Value> {
  readonly syntax: string
  readonly schema: JsonSchema
  readonly read: (written: Written, context: ReadingContext) => Reading<Value>
}

/** Anything a table may hold under a name. `written` is absent where the file says nothing. */
export interface Row<Value> {
  readonly page: Page
  readonly read: (
    written: Written | undefined,
    context: ReadingContext,
    at: Position,
  ) => Reading<Value>
}

/** A row's description, for manual and schema. */
export type Page =
  | {
      readonly kind: 'setting'
      readonly syntax: string
      readonly schema: JsonSchema
      readonly meaning: string
      /** As the file would say it; absent: none. */
      readonly initial?: Plain
      readonly required: boolean
    }
  | { readonly kind: 'section'; readonly meaning: string; readonly pages: Pages }
  /** Any number of rows, each under a name the administrator chooses. */
  | {
      readonly kind: 'named'
      readonly meaning: string
      readonly placeholder: string
      readonly page: Page
      readonly initially: string
    }
export type Pages = Readonly<Record<string, Page>>

const NONE: readonly Trouble[] = []

function read<Value>(value: Value): Reading<Value> {
  return { value, troubles: NONE, warnings: NONE }
}

function trouble(at: Position, message: string): Reading<never> {
  return { troubles: [{ at, setting: '', message }], warnings: NONE }
}

/** A text with a grammar of its own. */
export function textKind<Value>(
  syntax: string,
  parse: (text: string, context: ReadingContext) => Parsed<Value>,
  schema: JsonSchema = {},
): Kind<Value> {
  return {
    syntax,
    schema: { type: 'string', ...schema },
    read: (written, context) => {
      if (written.kind !== 'text') {
        const wanted = syntax.replaceAll('`', '')
        return trouble(written.at, `a text is expected (${wanted}), not ${kindOf(written)}`)
      }
      const parsed = parse(written.text, context)
      return parsed.ok ? read(parsed.value) : trouble(written.at, parsed.problem)
    },
  }
}

export function wholeNumber(least: number, most: number): Kind<number> {
  return {
    syntax: `a whole number from ${least} to ${most}`,
    schema: { type: 'integer', minimum: least, maximum: most },
    read: (written) => {
      if (written.kind !== 'integer') {
        return trouble(written.at, `a whole number is expected, not ${kindOf(written)}`)
      }
      const { integer } = written
      return integer >= least && integer <= most
        ? read(integer)
        : trouble(written.at, `the number must be from ${least} to ${most}`)
    },
  }
}

export const trueOrFalse: Kind<boolean> = {
  syntax: '`true` or `false`',
  schema: { type: 'boolean' },
  read: (written) =>
    written.kind === 'flag'
      ? read(written.flag)
      : trouble(written.at, `true or false is expected, without quotes, not ${kindOf(written)}`),
}

export function listOf<Value>(item: Kind<Value>, most: number): Kind<readonly Value[]> {
  return {
    syntax: `a list; each item: ${item.syntax}`,
    schema: { type: 'array', items: item.schema, maxItems: most },
    read: (written, context) => {
      if (written.kind !== 'list') {
        return trouble(written.at, `a list in [ ] is expected, not ${kindOf(written)}`)
      }
      if (written.items.length > most) return trouble(written.at, `more than ${most} items`)
      const readings = written.items.map((each) => item.read(each, context))
      const values = readings.flatMap(({ value }) => (value === undefined ? [] : [value]))
      // Half a list could mean the opposite of the whole.
      return values.length < readings.length
        ? joined(readings)
        : { ...joined(readings), value: values }
    },
  }
}

/** A further condition on a value that could be read. */
export function that<Value>(
  kind: Kind<Value>,
  problemOf: (value: Value) => string | undefined,
): Kind<Value> {
  return {
    ...kind,
    read: (written, context) => {
      const reading = kind.read(written, context)
      if (reading.value === undefined || reading.troubles.length > 0) return reading
      const problem = problemOf(reading.value)
      return problem === undefined ? reading : trouble(written.at, problem)
    },
  }
}

interface SettingSpec<Value> {
  readonly initial: Plain
  readonly meaning: string
  /** Legal, yet probably not meant: says why. */
  readonly advise?: (value: Value) => string | undefined
}

export function setting<Value>(kind: Kind<Value>, spec: SettingSpec<Value>): Row<Value> {
  const { initial, meaning } = spec
  const { syntax, schema } = kind
  return {
    page: { kind: 'setting', syntax, schema, meaning, initial, required: false },
    read: (written, context) => {
      if (written === undefined) return kind.read(writtenOf(initial), context)
      const reading = kind.read(written, context)
      if (reading.value === undefined)
        return { ...kind.read(writtenOf(initial), context), ...reading }
      const advice = spec.advise?.(reading.value)
      return advice === undefined
        ? reading
        : { ...reading, warnings: [{ at: written.at, setting: '', message: advice }] }
    },
  }
}

/** Must be written. `standIn` takes its place while the rest is read. */
export function required<Value>(
  kind: Kind<Value>,
  spec: { readonly standIn: Value; readonly meaning: string; readonly missing: string },
): Row<Value> {
  const { syntax, schema } = kind
  return {
    page: { kind: 'setting', syntax, schema, meaning: spec.meaning, required: true },
    read: (written, context, at) => ({
      value: spec.standIn,
      ...(written === undefined ? trouble(at, spec.missing) : kind.read(written, context)),
    }),
  }
}

/** May be left out, and then there is none. */
export function optional<Value>(kind: Kind<Value>, meaning: string): Row<Value | undefined> {
  const { syntax, schema } = kind
  return {
    page: { kind: 'setting', syntax, schema, meaning, required: false },
    read: (written, context) =>
      written === undefined ? { troubles: NONE, warnings: NONE } : kind.read(written, context),
  }
}

export type Rows<Values> = { readonly [Name in keyof Values]-?: Row<Values[Name]> }

/** `messageSize` in code is `message_size` in the file. */
export function settingName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** A table whose names are fixed; unknown names are refused. */
export function section<Values extends object>(meaning: string, rows: Rows<Values>): Row<Values> {
  const named = Object.entries(rows as Readonly<Record<string, Row<unknown>>>).map(
    ([key, row]) => ({ key, name: settingName(key), row }),
  )
  const names = named.map(({ name }) => name)
  return {
    page: {
      kind: 'section',
      meaning,
      pages: Object.fromEntries(named.map(({ name, row }) => [name, row.page])),
    },
    read: (written, context, at) => {
      if (written !== undefined && written.kind !== 'table') {
        const empty = section(meaning, rows).read(undefined, context, at)
        const wrong = trouble(written.at, `a table is expected, not ${kindOf(written)}`)
        return { ...empty, troubles: wrong.troubles }
      }
      const entries = new Map(written?.entries.map((entry) => [entry.name, entry.value]))
      const place = written?.at ?? at
      const readings = named.map(({ name, row }) =>
        under(name, row.read(entries.get(name), context, place)),
      )
      const pairs = named.map(({ key }, index) => [key, readings[index]?.value])
      const unknown = written === undefined ? [] : [unknownNames(written, names)]
      return { ...joined([...readings, ...unknown]), value: Object.fromEntries(pairs) as Values }
    },
  }
}

function unknownNames(written: WrittenTable, names: readonly string[]): Reading<never> {
  const unknown = written.entries.filter((entry) => !names.includes(entry.name))
  const troubles = unknown.map(({ name, at }) => {
    const near = nearestWord(name, names)
    const hint = near === undefined ? `there are: ${names.join(', ')}` : `did you mean "${near}"?`
    return { at, setting: quoted(name), message: `there is no such setting; ${hint}` }
  })
  return { troubles, warnings: NONE }
}

/** What the file says in one table of names the administrator chose. */
export interface Named<Value> {
  readonly name: string
  readonly value: Value
}

export function named<Value>(spec: {
  readonly meaning: string
  readonly placeholder: string
  readonly initially: string
  readonly parseName: (name: string, context: ReadingContext) => Parsed<string>
  readonly row: Row<Value>
  readonly most: number
}): Row<readonly Named<Value>[]> {
  const { meaning, placeholder, initially, row, most } = spec
  return {
    page: { kind: 'named', meaning, placeholder, page: row.page, initially },
    read: (written, context) => {
      if (written === undefined) return { value: [], troubles: NONE, warnings: NONE }
      if (written.kind !== 'table') {
        return { ...trouble(written.at, `a table is expected, not ${kindOf(written)}`), value: [] }
      }
      if (written.entries.length > most) {
        return { ...trouble(written.at, `more than ${most} entries`), value: [] }
      }
      const seen = new Set<string>()
      const readings = written.entries.map((entry): Reading<Named<Value>> => {
        const name = spec.parseName(entry.name, context)
        if (!name.ok) return under(quoted(entry.name), trouble(entry.at, name.problem))
        const twice = seen.has(name.value) ? [trouble(entry.at, 'the same name stands twice')] : []
        seen.add(name.value)
        const { value, ...rest } = row.read(entry.value, context, entry.at)
        const all = under(quoted(entry.name), joined([rest, ...twice]))
        return value === undefined ? all : { ...all, value: { name: name.value, value } }
      })
      return {
        ...joined(readings),
        value: readings.flatMap(({ value }) => (value === undefined ? [] : [value])),
      }
    },
  }
}

/** Makes something else of a row's value; `convert` may refuse it. */
export function converted<Value, Other>(
  row: Row<Value>,
  convert: (value: Value) => Parsed<Other>,
): Row<Other> {
  return {
    page: row.page,
    read: (written, context, at) => {
      const { value, ...rest } = row.read(written, context, at)
      if (value === undefined) return rest
      const other = convert(value)
      if (other.ok) return { ...rest, value: other.value }
      // What is missing because it could not be read has been told already.
      if (rest.troubles.length > 0) return rest
      return joined([rest, trouble(written?.at ?? at, other.problem)])
    },
  }
}

/** A row's words for a kind that stands alone, without initial value: what a name is given. */
export function rowOf<Value>(kind: Kind<Value>, meaning: string): Row<Value> {
  return {
    page: {
      kind: 'setting',
      syntax: kind.syntax,
      schema: kind.schema,
      meaning,
      required: true,
    },
    read: (written, context) =>
      kind.read(written ?? { kind: 'other', at: NOWHERE, what: 'nothing' }, context),
  }
}

function under<Value>(name: string, reading: Reading<Value>): Reading<Value> {
  const prefix = (one: Trouble): Trouble => ({
    ...one,
    setting: one.setting === '' ? name : `${name}.${one.setting}`,
  })
  if (reading.troubles.length === 0 && reading.warnings.length === 0) return reading
  return {
    ...reading,
    troubles: reading.troubles.map(prefix),
    warnings: reading.warnings.map(prefix),
  }
}

function joined(readings: readonly Reading<unknown>[]): Reading<never> {
  return {
    troubles: readings.flatMap(({ troubles }) => troubles),
    warnings: readings.flatMap(({ warnings }) => warnings),
  }
}

/** A name as TOML writes it: bare where it may be. */
export function quoted(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name.slice(0, 300))
}
