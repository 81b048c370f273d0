/**
 * Which running Postern a command is about: the directory with the console's doors.
 *
 * In this order: `--run DIR`; `paths.run` of `--config FILE`; the one that `npm start` runs in this checkout;
 * `paths.run` of the usual configuration file; the usual directory.
 */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DOOR_FILES } from '../../contracts/supervision.ts'
import { readSettings } from '../../io/settings-file.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'
import type { Trouble } from './ask.ts'

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
const EX_NOINPUT = 66

export function findPlace(options: DoorOptions): Result<Place, Trouble> {
  if (options.run !== undefined) return ok({ ...USUAL, run: resolve(options.run) })
  if (options.config !== undefined) return placeOfConfiguration(options.config)
  // Beside `dist/`, where this program's bundle is.
  const checkout = join(import.meta.dirname, '../var')
  const run = join(checkout, 'run')
  if (hasDoor(run)) return ok({ run, queue: join(checkout, 'queue') })
  const usual = existsSync(USUAL_CONFIGURATION)
    ? placeOfConfiguration(USUAL_CONFIGURATION)
    : undefined
  return usual?.ok === true ? usual : ok(USUAL)
}

function placeOfConfiguration(file: string): Result<Place, Trouble> {
  try {
    const text = readFileSync(file, 'utf8')
    const { paths } = readSettings(text, resolve(dirname(file))).settings
    return ok({ run: paths.run, queue: paths.queue })
  } catch (error) {
    const why = (error as Error).message
    return refused({ exitCode: EX_NOINPUT, text: `the configuration cannot be read: ${why}` })
  }
}

function hasDoor(run: string): boolean {
  return Object.values(DOOR_FILES).some((name) => existsSync(join(run, name)))
}
