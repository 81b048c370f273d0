/**
 * The text of `postern.toml` into settings, or into everything that is wrong with it, each with its
 * line and column.
 *
 * Hides TOML (io/toml.ts) and IDNA. What the settings mean together is looked at elsewhere
 * (policy/settings-advice.ts); here each is read for itself.
 *
 * RFC 5891 section 4.4 (U-labels in the file are A-labels in the settings).
 */

import { domainToASCII } from 'node:url'
import type { SettingProblem, Settings } from '../contracts/settings.ts'
import { settingName } from '../contracts/settings-rows.ts'
import { SETTINGS } from '../contracts/settings-table.ts'
import type { Position, Trouble, Written, WrittenEntry } from '../contracts/settings-written.ts'
import { NOWHERE } from '../contracts/settings-written.ts'
import { readToml } from './toml.ts'

export interface SettingsReading {
  /** With initial values in place of what is missing or wrong. */
  readonly settings: Settings
  readonly problems: readonly SettingProblem[]
  readonly warnings: readonly SettingProblem[]
  /** Where a setting is written: `['domains', 'example.org']`, or where it would be. */
  readonly placeOf: (path: readonly string[]) => Position
}

const MOST_PROBLEMS = 1_000

export function readSettings(text: string, directory: string | undefined): SettingsReading {
  const { table, troubles } = readToml(text)
  const context = { directory, toAscii: domainToASCII }
  const reading = SETTINGS.read(table, context, NOWHERE)
  if (reading.value === undefined) throw new Error('the table of settings has no value')
  // A line that could not be read may have held what now seems to be missing.
  const missing = (trouble: Trouble) => troubles.length > 0 && trouble.at === NOWHERE
  const found = reading.troubles.filter((trouble) => !missing(trouble))
  return {
    settings: reading.value,
    problems: inOrder([...troubles, ...found]),
    warnings: inOrder(reading.warnings),
    placeOf: (path) => placeIn(table, path),
  }
}

/** In the order of the file. */
export function inOrder(troubles: readonly Trouble[]): readonly SettingProblem[] {
  return troubles
    .map(({ at, setting, message }) => ({
      ...at,
      setting: setting.slice(0, 1_000),
      message: message.slice(0, 2_000),
    }))
    .sort((one, other) => one.line - other.line || one.column - other.column)
    .slice(0, MOST_PROBLEMS)
}

function placeIn(table: Written, path: readonly string[]): Position {
  let at = table.at
  let inside: Written | undefined = table
  for (const key of path) {
    if (inside?.kind !== 'table') return at
    const names: readonly string[] = [key, settingName(key)]
    const entry: WrittenEntry | undefined = inside.entries.find(({ name }) =>
      names.includes(name.toLowerCase()),
    )
    if (entry === undefined) return at
    at = entry.at
    inside = entry.value
  }
  return at
}
