/**
 * Which running Postern a command is about: the directory with the console's doors.
 *
 * In this order: `--run DIR`; `paths.run` of `--config FILE`; the one that `npm start` runs in this checkout;
 * `paths.run` of the usual configuration file; the usual directory. The configuration is read by the
 * settings program, so that nothing of it is parsed here, by root perhaps.
 */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DOOR_FILES } from '../../contracts/supervision.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'
import type { Trouble } from './ask.ts'
import { askSettings } from './ask-settings.ts'

export interface DoorOptions {
  readonly run?: string
  readonly config?: string
}

/** What a command can know of the Postern it is about. */
export interface Place {
  readonly run: string
  readonly queue: string
}

const USUAL_CONFIGURATION = '/etc/postern/postern.toml'
const USUAL: Place = { run: '/run/postern', queue: '/var/spool/postern/queue' }
const EX_CONFIG = 78

export async function findPlace(options: DoorOptions): Promise<Result<Place, Trouble>> {
  if (options.run !== undefined) return ok({ ...USUAL, run: resolve(options.run) })
  if (options.config !== undefined) return placeOfConfiguration(options.config)
  // Beside `dist/`, where this program's bundle is.
  const checkout = join(import.meta.dirname, '../var')
  const run = join(checkout, 'run')
  if (hasDoor(run)) return ok({ run, queue: join(checkout, 'queue') })
  const usual = existsSync(USUAL_CONFIGURATION)
    ? await placeOfConfiguration(USUAL_CONFIGURATION)
    : undefined
  return usual?.ok === true ? usual : ok(USUAL)
}

async function placeOfConfiguration(file: string): Promise<Result<Place, Trouble>> {
  const answer = await askSettings(file)
  if (!answer.ok) return answer
  if (answer.value.kind === 'settings') {
    const { run, queue } = answer.value.supervisor.paths
    return ok({ run, queue })
  }
  const text = `${file} has problems ("postern check" tells which); --run DIR does without it`
  return refused({ exitCode: EX_CONFIG, text })
}

function hasDoor(run: string): boolean {
  return Object.values(DOOR_FILES).some((name) => existsSync(join(run, name)))
}
