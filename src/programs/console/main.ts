/**
 * console: the doors by which operators' commands reach the queue.
 */

import type { ConsoleSettings } from '../../contracts/settings.ts'
import { beginProgram, connectionToQueue } from '../../io/program.ts'
import { DOOR_LIMITS, openDoor } from './doors.ts'

const program = await beginProgram<ConsoleSettings>()
const { release, doors } = program.beginning

const connection = connectionToQueue('console', {
  self: { release, program: 'console' },
  onLost: () => process.exit(0),
  onHello: () => openDoors(),
})

function openDoors(): void {
  let listening = 0
  for (const { kind, fd, name } of doors) {
    const server = openDoor({ kind, connection, limits: DOOR_LIMITS })
    server.on('error', (error) => program.cannot(`${name}: ${error.message}`))
    server.listen({ fd }, () => {
      listening += 1
      if (listening === doors.length) program.ready()
    })
  }
}

program.handle({ onFinish: () => process.exit(0) })
