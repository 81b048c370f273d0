/**
 * `postern stop` and `postern reload`: a signal to the running supervisor, whose process id lies in
 * `paths.run`.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { askSettings } from './ask-settings.ts'
import { formatProblem } from './check.ts'
import type { DoorOptions } from './find-door.ts'
import { findPlace } from './find-door.ts'
import { fail, print } from './print.ts'

const LOOK_EVERY = 100
/** The longest `limits.finish_within`, a day, and some more. */
const LONGEST_WAIT = 90_000_000
const EX_NOPERM = 77
const EX_UNAVAILABLE = 69

export async function stop(options: DoorOptions): Promise<void> {
  const place = await findPlace(options)
  if (!place.ok) return fail('postern stop', place.problem)
  const pid = supervisorPid(place.value.run)
  if (pid === undefined) return print('Postern is not running.\n')
  if (!send(pid, 'SIGTERM', 'postern stop')) return
  for (const end = Date.now() + LONGEST_WAIT; isSupervisor(pid) && Date.now() < end; ) {
    await after(LOOK_EVERY)
  }
  return print(`Postern (process ${pid}) has stopped.\n`)
}

export async function reload(options: DoorOptions): Promise<void> {
  const place = await findPlace(options)
  if (!place.ok) return fail('postern reload', place.problem)
  const pid = supervisorPid(place.value.run)
  if (pid === undefined) {
    const text = 'Postern is not running: there is nothing to reload'
    return fail('postern reload', { exitCode: EX_UNAVAILABLE, text })
  }
  if (options.config !== undefined && !(await isGood(options.config))) return
  if (!send(pid, 'SIGHUP', 'postern reload')) return
  return print(
    `Postern (process ${pid}) reads its configuration again; its log tells the result.\n`,
  )
}

/** A bad file is told here, where somebody looks, and not only in the log. */
async function isGood(config: string): Promise<boolean> {
  const answer = await askSettings(config)
  if (!answer.ok) fail('postern reload', answer.problem)
  else if (answer.value.kind === 'settings') return true
  else {
    const lines = answer.value.problems.map((problem) => formatProblem(config, problem))
    fail('postern reload', { exitCode: 1, text: `not reloaded\n${lines.join('\n')}` })
  }
  return false
}

/** Undefined if no supervisor is at work there. */
export function supervisorPid(run: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(run, 'supervisor.pid'), 'latin1').trim())
    return Number.isSafeInteger(pid) && pid > 1 && isSupervisor(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

/** After a crash the number may be another process's by now; where /proc is, it tells. */
function isSupervisor(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('supervisor')
  } catch {
    return process.platform !== 'linux'
  }
}

function send(pid: number, signal: NodeJS.Signals, command: string): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return true
    const text =
      code === 'EPERM' ? `Postern (process ${pid}) belongs to another user; are you root?` : message
    fail(command, { exitCode: EX_NOPERM, text })
    return false
  }
}
