/**
 * pickup: takes what local users have dropped, completes it, and hands it to the queue.
 */

import { randomBytes } from 'node:crypto'
import type { PickupSettings } from '../../contracts/settings.ts'
import { systemClock } from '../../io/clock.ts'
import { beginProgram, connectionToQueue } from '../../io/program.ts'
import { DropDirectory } from './drop-directory.ts'
import { Pickup } from './pickup.ts'
import { take } from './take.ts'

const program = await beginProgram<PickupSettings>()
let { settings } = program.beginning
const { log, beginning } = program

const directory = new DropDirectory(settings.paths.drop)
let pickup: Pickup | undefined
const connection = connectionToQueue('pickup', {
  self: { release: beginning.release, program: 'pickup' },
  // What was being handed over is still in the directory; the next pickup finds it.
  onLost: () => process.exit(0),
  onHello: () => begin(),
})

function begin(): void {
  pickup = new Pickup({
    directory,
    own: { gid: process.getgid?.() ?? -1 },
    clock: systemClock,
    log,
    filesPerUser: settings.limits.dropFilesPerUser,
    take: (file) =>
      take(file, {
        connection,
        settings,
        now: () => Date.now(),
        zoneMinutes: (now) => -new Date(now).getTimezoneOffset(),
        unique: () => randomBytes(12).toString('hex'),
      }),
  })
  try {
    pickup.start()
  } catch (error) {
    program.cannot(`the drop directory cannot be watched: ${(error as Error).message}`)
  }
  program.ready()
}

program.handle({
  onSettings: (given) => (settings = given),
  onFinish: () => void (pickup?.finish() ?? Promise.resolve()).then(() => process.exit(0)),
})
