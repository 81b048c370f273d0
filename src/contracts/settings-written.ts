/**
 * A configuration file as written: values with their places, before anybody has asked what they mean.
 *
 * io/settings-file.ts makes it of TOML, settings-table.ts reads settings from it, and every reading
 * answers what could be read together with everything that was wrong, never just the first thing.
 */

/** Line and column begin at 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export type Written =
  | { readonly kind: 'text'; readonly at: Position; readonly text: string }
  | { readonly kind: 'integer'; readonly at: Position; readonly integer: number }
  | { readonly kind: 'flag'; readonly at: Position; readonly flag: boolean }
  | { readonly kind: 'list'; readonly at: Position; readonly items: readonly Written[] }
  | WrittenTable
  /** A date, or a number with a fraction: no setting is one. */
  | { readonly kind: 'other'; readonly at: Position; readonly what: string }

export interface WrittenTable {
  readonly kind: 'table'
  readonly at: Position
  readonly entries: readonly WrittenEntry[]
}

export interface WrittenEntry {
  readonly name: string
  /** Where the name stands. */
  readonly at: Position
  readonly value: Written
}

export interface Trouble {
  readonly at: Position
  /** `limits.sessions`; empty for a syntax error, and for the setting that is being read. */
  readonly setting: string
  readonly message: string
}

/** What could be read, and everything that was wrong with the rest. */
export interface Reading<Value> {
  readonly value?: Value
  readonly troubles: readonly Trouble[]
  readonly warnings: readonly Trouble[]
}

export const NOWHERE: Position = { line: 1, column: 1 }

/** A value that was never in a file: an initial value, told in the words a file would use. */
export type Plain =
  | string
  | number
  | boolean
  | readonly Plain[]
  | { readonly [name: string]: Plain }

export function writtenOf(plain: Plain): Written {
  const at = NOWHERE
  if (typeof plain === 'string') return { kind: 'text', at, text: plain }
  if (typeof plain === 'number') return { kind: 'integer', at, integer: plain }
  if (typeof plain === 'boolean') return { kind: 'flag', at, flag: plain }
  if (isList(plain)) return { kind: 'list', at, items: plain.map(writtenOf) }
  const entries = Object.entries(plain)
  return {
    kind: 'table',
    at,
    entries: entries.map(([name, value]) => ({ name, at, value: writtenOf(value) })),
  }
}

function isList(plain: object): plain is readonly Plain[] {
  return Array.isArray(plain)
}

/** `a text`, `a list`: what stands there, in the words of a problem. */
export function kindOf(written: Written): string {
  switch (written.kind) {
    case 'text':
      return 'a text'
    case 'integer':
      return 'a number'
    case 'flag':
      return 'true or false'
    case 'list':
      return 'a list'
    case 'table':
      return 'a table'
    case 'other':
      return written.what
  }
}
