/**
 * TOML text as values with their places, and every syntax error in it.
 *
 * The parser stops at its first error. To tell all at once, the line it names is taken out and the rest
 * is parsed again; a table whose header cannot be read is put aside with all that stands in it. Where that
 * would only be guessing (a text or list that does not end), the search stops.
 */

import type { AST } from 'toml-eslint-parser'
import { ParseError, parseTOML } from 'toml-eslint-parser'
import type { Position, Trouble, Written, WrittenEntry } from '../contracts/settings-written.ts'
import { NOWHERE } from '../contracts/settings-written.ts'

export interface TomlReading {
  /** Everything that could be read; incomplete if there are troubles. */
  readonly table: Extract<Written, { readonly kind: 'table' }>
  readonly troubles: readonly Trouble[]
}

const MOST_ERRORS = 20
const DEEPEST = 8
/** No administrator's setting begins with a space. */
const PUT_ASIDE = ' unreadable'

export function readToml(text: string): TomlReading {
  const lines = text.replace(/^\ufeff/, '').split('\n')
  const troubles: Trouble[] = []
  const nothing: TomlReading['table'] = { kind: 'table', at: NOWHERE, entries: [] }
  while (troubles.length < MOST_ERRORS) {
    const parsed = parse(lines.join('\n'))
    if ('table' in parsed) return { table: parsed.table, troubles }
    const trouble = blame(lines, parsed.trouble)
    troubles.push(trouble)
    if (!takeOut(lines, trouble, troubles.length)) break
  }
  return { table: nothing, troubles }
}

function parse(
  text: string,
): { readonly table: TomlReading['table'] } | { readonly trouble: Trouble } {
  try {
    const root = new TableBuilder(NOWHERE)
    for (const node of parseTOML(text, { tomlVersion: '1.0' }).body[0].body) add(root, node)
    return { table: root.written() }
  } catch (error) {
    if (error instanceof ParseError) {
      const at = { line: error.lineNumber, column: error.column + 1 }
      return { trouble: { at, setting: '', message: syntaxMessage(error.message) } }
    }
    if (!(error instanceof RangeError)) throw error
    return { trouble: { at: NOWHERE, setting: '', message: 'it is nested too deeply' } }
  }
}

/** The parser's sentences, for someone who has never seen a grammar. */
function syntaxMessage(message: string): string {
  if (message === MESSAGE.twice) return 'this name stands twice'
  if (message === MESSAGE.noValue) return 'a value is missing behind "="'
  if (message === MESSAGE.noName) return 'neither "name = value" nor "[table]"'
  return `this is not TOML: ${message}`
}

const MESSAGE = {
  twice: 'Defining a key multiple times is invalid',
  noValue: 'Unspecified values are invalid',
  noName: 'The key, equals sign, and value must be on the same line',
} as const

/** What is missing at the end of a line, the parser notices at the beginning of the next. */
function blame(lines: readonly string[], trouble: Trouble): Trouble {
  if (trouble.at.column !== 1) return trouble
  const before = lines.slice(0, trouble.at.line - 1).findLastIndex((line) => line.trim() !== '')
  const suspect = lines[before]
  const alone = suspect === undefined ? undefined : parse(suspect)
  if (suspect === undefined || alone === undefined || 'table' in alone) return trouble
  const column = suspect.length - suspect.trimStart().length + 1
  return { ...alone.trouble, at: { line: before + 1, column } }
}

/** Answers false if there is nothing more to be learned. */
function takeOut(lines: string[], { at, message }: Trouble, count: number): boolean {
  const line = lines[at.line - 1]
  if (line === undefined || line.trim() === '') return false
  const isHeader = line.trimStart().startsWith('[')
  if (!isHeader && /unterminated|nested/i.test(message)) return false
  lines[at.line - 1] = isHeader ? `["${PUT_ASIDE} ${count}"]` : ''
  return true
}

/** A table that may be spoken of in several places of the file. */
class TableBuilder {
  readonly #at: Position
  readonly #entries = new Map<string, { readonly at: Position; value: Written | TableBuilder }>()

  constructor(at: Position) {
    this.#at = at
  }

  /** The table under this name, made if it is missing. */
  table(name: string, at: Position): TableBuilder {
    const found = this.#entries.get(name)
    if (found?.value instanceof TableBuilder) return found.value
    const made = new TableBuilder(at)
    // A list of tables is no setting; the first place of it is enough to say so.
    if (found === undefined) this.#entries.set(name, { at, value: made })
    return made
  }

  set(name: string, at: Position, value: Written): void {
    if (!this.#entries.has(name)) this.#entries.set(name, { at, value })
  }

  written(): TomlReading['table'] {
    const entries: WrittenEntry[] = []
    for (const [name, { at, value }] of this.#entries) {
      if (name.startsWith(PUT_ASIDE)) continue
      entries.push({ name, at, value: value instanceof TableBuilder ? value.written() : value })
    }
    return { kind: 'table', at: this.#at, entries }
  }
}

function add(into: TableBuilder, node: AST.TOMLKeyValue | AST.TOMLTable): void {
  if (node.type === 'TOMLKeyValue') return addPair(into, node, 0)
  const parts = node.key.keys
  if (node.kind === 'array') {
    const { inside, name, at } = innermost(into, parts)
    return inside.set(name, at, { kind: 'list', at, items: [] })
  }
  const table = parts.reduce((inside, part) => inside.table(nameOf(part), placeOf(part)), into)
  for (const pair of node.body) addPair(table, pair, 0)
}

function addPair(into: TableBuilder, node: AST.TOMLKeyValue, depth: number): void {
  const { inside, name, at } = innermost(into, node.key.keys)
  inside.set(name, at, valueOf(node.value, depth))
}

/** For `a.b.c`: the table `a.b`, and the name `c`. */
function innermost(
  from: TableBuilder,
  parts: readonly (AST.TOMLBare | AST.TOMLQuoted)[],
): { readonly inside: TableBuilder; readonly name: string; readonly at: Position } {
  const last = parts.at(-1)
  const inside = parts
    .slice(0, -1)
    .reduce((table, part) => table.table(nameOf(part), placeOf(part)), from)
  return last === undefined
    ? { inside, name: '', at: NOWHERE }
    : { inside, name: nameOf(last), at: placeOf(last) }
}

function valueOf(node: AST.TOMLContentNode, depth: number): Written {
  const at = placeOf(node)
  if (depth > DEEPEST) return { kind: 'other', at, what: 'something nested so deeply' }
  switch (node.type) {
    case 'TOMLArray':
      return { kind: 'list', at, items: node.elements.map((item) => valueOf(item, depth + 1)) }
    case 'TOMLInlineTable': {
      const table = new TableBuilder(at)
      for (const pair of node.body) addPair(table, pair, depth + 1)
      return table.written()
    }
    case 'TOMLValue':
      return scalarOf(node)
  }
}

function scalarOf(node: AST.TOMLValue): Written {
  const at = placeOf(node)
  switch (node.kind) {
    case 'string':
      return { kind: 'text', at, text: node.value }
    case 'integer':
      return { kind: 'integer', at, integer: node.value }
    case 'boolean':
      return { kind: 'flag', at, flag: node.value }
    case 'float':
      return { kind: 'other', at, what: 'a number with a fraction' }
    case 'offset-date-time':
    case 'local-date-time':
    case 'local-date':
    case 'local-time':
      return { kind: 'other', at, what: 'a date or time' }
  }
}

function nameOf(part: AST.TOMLBare | AST.TOMLQuoted): string {
  return part.type === 'TOMLBare' ? part.name : part.value
}

function placeOf(node: AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 }
}
