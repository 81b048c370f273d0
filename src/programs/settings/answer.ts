/**
 * From the text of the configuration to the answer of the settings program.
 */

import type { SettingProblem, Settings } from '../../contracts/settings.ts'
import { quoted } from '../../contracts/settings-rows.ts'
import type { SettingsAnswer } from '../../contracts/supervision.ts'
import { LONGEST_CONFIGURATION } from '../../contracts/supervision.ts'
import type { SettingsReading } from '../../io/settings-file.ts'
import { inOrder, readSettings } from '../../io/settings-file.ts'
import type { Advice } from '../../policy/settings-advice.ts'
import { adviseOn } from '../../policy/settings-advice.ts'
import { partsOf, supervisorPart } from './parts.ts'
import { parseResolverFile } from './resolver.ts'

export interface Question {
  readonly text: Uint8Array
  /** Where relative paths start. */
  readonly directory: string | undefined
  /** The text of /etc/resolv.conf; empty if it cannot be read. */
  readonly readResolverFile: () => string
}

export function answerQuestion({ text, directory, readResolverFile }: Question): SettingsAnswer {
  if (text.length > LONGEST_CONFIGURATION) return atTheStart('the file is longer than 4 MB')
  let words: string
  try {
    words = new TextDecoder('utf-8', { fatal: true }).decode(text)
  } catch {
    return atTheStart('the file is not UTF-8 text')
  }
  const reading = readSettings(words, directory)
  const advice = adviseOn(reading.settings)
  const problems = inOrder(
    [...reading.problems, ...advice.problems.map(placed(reading))].map(unplaced),
  )
  if (problems.length > 0) return { kind: 'problems', problems }
  const warnings = inOrder(
    [...reading.warnings, ...advice.warnings.map(placed(reading))].map(unplaced),
  )
  const settings = withServers(reading.settings, readResolverFile)
  return {
    kind: 'settings',
    supervisor: supervisorPart(settings),
    parts: partsOf(settings),
    warnings,
  }
}

function atTheStart(message: string): SettingsAnswer {
  return { kind: 'problems', problems: [{ line: 1, column: 1, setting: '', message }] }
}

function placed(reading: SettingsReading): (advice: Advice) => SettingProblem {
  return ({ path, message }) => ({
    ...reading.placeOf(path),
    setting: path.map(quoted).join('.'),
    message,
  })
}

function unplaced({ line, column, setting, message }: SettingProblem) {
  return { at: { line, column }, setting, message }
}

function withServers(settings: Settings, readResolverFile: () => string): Settings {
  if (settings.dns.servers.length > 0) return settings
  return { ...settings, dns: { servers: parseResolverFile(readResolverFile()) } }
}
