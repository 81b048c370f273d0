/**
 * Has the configuration turned into settings, by a program that owns nothing.
 *
 * The supervisor reads the file as bytes and never looks into it; what comes back is JSON of a known
 * shape and size.
 */

import { dirname, join, resolve } from 'node:path'
import { PROGRAMS, permissionFlags } from '../../contracts/programs.ts'
import type { SettingProblem } from '../../contracts/settings.ts'
import type { SettingsAnswer } from '../../contracts/supervision.ts'
import {
  LONGEST_CONFIGURATION,
  LONGEST_SETTINGS_ANSWER,
  settingsAnswer,
} from '../../contracts/supervision.ts'
import { CannotStart, EXIT } from '../../io/cannot-start.ts'
import { parseJson, readBounded, runCommand } from '../../io/child.ts'
import type { Situation } from './situation.ts'

export type GoodSettings = Extract<SettingsAnswer, { readonly kind: 'settings' }>

const LIMIT_SECONDS = 10
/** Name servers that the configuration does not name. */
const RESOLVER = '/etc/resolv.conf'

/** Throws CannotStart, with one line for each problem. */
export async function askSettings(file: string, situation: Situation): Promise<GoodSettings> {
  const { code, identities } = situation
  const flags = permissionFlags(PROGRAMS.settings, { code, readable: [RESOLVER], writable: [] })
  const answer = await runCommand({
    file: process.execPath,
    args: [...flags, join(code, 'settings.mjs'), dirname(resolve(file))],
    argv0: 'postern: settings',
    identity: identities.get(PROGRAMS.settings.user),
    input: readConfiguration(file),
    longestAnswer: LONGEST_SETTINGS_ANSWER,
    limitSeconds: LIMIT_SECONDS,
  })
  const decoded = settingsAnswer(parseJson(answer.output))
  if (!decoded.ok) {
    const why = answer.errors || decoded.problem
    throw new CannotStart(`${file}: the settings program failed: ${why}`, EXIT.configuration)
  }
  if (decoded.value.kind === 'settings') return decoded.value
  const lines = decoded.value.problems.map((problem) => problemLine(file, problem))
  throw new CannotStart(lines.join('\n'), EXIT.configuration)
}

export function problemLine(file: string, problem: SettingProblem): string {
  const setting = problem.setting === '' ? '' : `${problem.setting}: `
  return `${file}:${problem.line}:${problem.column}: ${setting}${problem.message}`
}

function readConfiguration(file: string): Buffer {
  try {
    return readBounded(file, LONGEST_CONFIGURATION)
  } catch (error) {
    throw new CannotStart(`${file}: ${(error as Error).message}`, EXIT.noInput)
  }
}
