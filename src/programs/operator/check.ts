/**
 * `postern check`: every problem in a configuration at once, as compilers and editors write them.
 *
 *     FILE:line:column: setting: what is wrong
 */

import type { SettingProblem } from '../../contracts/settings.ts'
import { askSettings } from './ask-settings.ts'
import { fail, harmless, print } from './print.ts'

interface CheckOptions {
  readonly config: string
  readonly json?: boolean
}

export async function check({ config, json }: CheckOptions): Promise<void> {
  const answer = await askSettings(config)
  if (!answer.ok) return fail('postern check', answer.problem)
  const problems = answer.value.kind === 'problems' ? answer.value.problems : []
  const warnings = answer.value.kind === 'settings' ? answer.value.warnings : []
  if (problems.length > 0) process.exitCode = 1
  if (json) return print(`${JSON.stringify({ file: config, problems, warnings })}\n`)
  const lines = [
    ...problems.map((problem) => formatProblem(config, problem)),
    ...warnings.map((warning) => formatProblem(config, warning, 'warning: ')),
    summaryOf(config, problems.length, warnings.length),
  ]
  return print(`${lines.join('\n')}\n`)
}

export function formatProblem(file: string, problem: SettingProblem, kind = ''): string {
  const setting = problem.setting === '' ? '' : `${problem.setting}: `
  const text = harmless(`${kind}${setting}${problem.message}`)
  return `${file}:${problem.line}:${problem.column}: ${text}`
}

function summaryOf(file: string, problems: number, warnings: number): string {
  const noun = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`
  if (problems > 0) return `${file}: ${noun(problems, 'problem')}`
  return `${file}: no problems${warnings > 0 ? `, ${noun(warnings, 'warning')}` : ''}`
}
