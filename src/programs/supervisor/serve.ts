/**
 * From the start of Postern to its end: settings, doors, programs, signals.
 *
 * TERM and INT let running work finish, a second one does not. HUP reads the configuration again; what is
 * wrong with it is logged, and what was in force stays so.
 */

import { PROGRAMS } from '../../contracts/programs.ts'
import type { CannotStart } from '../../io/cannot-start.ts'
import { Doors } from '../../io/doors.ts'
import { Relay } from '../../io/log-relay.ts'
import { guardChannels } from '../../io/supervised.ts'
import type { GoodSettings } from './ask-settings.ts'
import { askSettings, problemLine } from './ask-settings.ts'
import { Keeper } from './keeper.ts'
import type { Situation } from './situation.ts'

/** Resolves once everything has left; throws CannotStart. */
export async function serve(config: string, situation: Situation): Promise<void> {
  const settings = await askSettings(config, situation)
  const doors = new Doors(settings.supervisor.paths.run, situation)
  try {
    doors.openSmtp(settings.supervisor.smtp)
    const loggerIdentity = situation.identities.get(PROGRAMS.settings.user)
    const log = new Relay(settings.supervisor.log, loggerIdentity)
    if (situation.loopbackOnly) log.say('warning', { about: 'every program runs as root' })
    for (const each of settings.warnings) log.say('warning', { about: problemLine(config, each) })
    const cannot = Promise.withResolvers<CannotStart | undefined>()
    const keeper = new Keeper({ situation, doors, log, onCannot: cannot.resolve }, settings)
    guardChannels((why) => keeper.blame(why))
    const ask = () => askSettings(config, situation)
    const problem = await Promise.race([cannot.promise, obeySignals({ doors, log, keeper, ask })])
    await keeper.stop()
    log.say('stopped')
    await log.close()
    if (problem !== undefined) throw problem
  } finally {
    doors.close()
  }
}

interface Running {
  readonly doors: Doors
  readonly log: Relay
  readonly keeper: Keeper
  readonly ask: () => Promise<GoodSettings>
}

/** Resolves at the first TERM or INT. */
function obeySignals(running: Running): Promise<undefined> {
  let last: Promise<void> = Promise.resolve()
  process.on('SIGHUP', () => void (last = last.then(() => reload(running))))
  return new Promise((resolve) => {
    const stop = () => {
      if (running.keeper.stopping) void running.keeper.stop()
      resolve(undefined)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
}

async function reload({ doors, log, keeper, ask }: Running): Promise<void> {
  // Whatever becomes of the reload, the log may have been moved away.
  log.reopen(keeper.settings.supervisor.log)
  try {
    const settings = await ask()
    const [before, after] = [keeper.settings, settings].map((s) =>
      JSON.stringify(s.supervisor.paths),
    )
    if (before !== after) throw new Error('paths: restart Postern to change them')
    if (keeper.stopping) return
    const closeUnused = doors.openSmtp(settings.supervisor.smtp)
    log.reopen(settings.supervisor.log)
    keeper.reload(settings)
    closeUnused()
    log.say('reloaded', { warnings: settings.warnings.length })
  } catch (error) {
    const problems = (error as Error).message.split('\n')
    for (const problem of problems) log.say('reload-refused', { problem })
  }
}
