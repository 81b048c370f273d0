/**
 * `postern start`: becomes the supervisor, in the same process, so that a service manager's signals reach it.
 */

import { resolve } from 'node:path'
import { BUNDLES, bundleOf } from './code.ts'
import { fail } from './print.ts'

const EX_UNAVAILABLE = 69

export function start(options: { readonly config: string; readonly single?: boolean }): void {
  const supervisor = bundleOf('supervisor')
  if (supervisor === undefined) {
    const text = `there is no supervisor in ${BUNDLES}: run "npm run build"`
    return fail('postern start', { exitCode: EX_UNAVAILABLE, text })
  }
  if (process.execve === undefined) {
    const text = 'this system cannot replace a process: run the supervisor itself'
    return fail('postern start', { exitCode: EX_UNAVAILABLE, text })
  }
  const args = supervisorArguments(supervisor, resolve(options.config), options.single === true)
  process.execve(process.execPath, ['postern: supervisor', ...args], process.env)
}

export function supervisorArguments(file: string, config: string, single: boolean): string[] {
  const quiet = '--disable-warning=ExperimentalWarning'
  return [quiet, file, '--config', config, ...(single ? ['--single'] : [])]
}
