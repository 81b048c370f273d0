/**
 * The queue program: opens the store, takes partners and agents from its IPC channel, works.
 */

import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { Socket } from 'node:net'
import type { QueueSettings } from '../../contracts/settings.ts'
import { handover } from '../../contracts/supervision.ts'
import { systemClock } from '../../io/clock.ts'
import { beginProgram } from '../../io/program.ts'
import type { Queue } from './serve.ts'
import { startQueue } from './serve.ts'
import { openSqliteStore } from './store/sqlite.ts'

const EXIT_STORE_FAILED = 1

// Mail is nobody else's to read, whatever the directory allows.
process.umask(0o077)

// Connections that come before the store is open wait.
const early: [unknown, unknown][] = []
let take = (message: unknown, socket: unknown): void => void early.push([message, socket])
process.on('message', (message, socket) => take(message, socket))
process.on('disconnect', () => process.exit(0))

const program = await beginProgram<QueueSettings>()
const { beginning, log } = program
let settings = beginning.settings

const directory = settings.paths.queue
const store = await openSqliteStore({ directory }).catch((error: unknown) =>
  program.cannot(`The queue in ${directory} cannot be opened: ${String(error)}`),
)
const queue = await startQueue({
  store,
  clock: systemClock,
  log,
  self: { release: beginning.release, program: 'queue' },
  settings: () => settings,
  onStoreFailure: (error) => {
    const text = 'The store has failed; the queue ends and is started anew on what is on disk.'
    log.write({ event: 'store-failed', fields: { text, error: String(error) } })
    process.exit(EXIT_STORE_FAILED)
  },
  freeBytes: () =>
    statfs(directory).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    ),
  token: () => randomBytes(16).toString('hex'),
}).catch((error: unknown) => program.cannot(`The queue cannot be recovered: ${String(error)}`))

take = (message, socket) => receive(queue, message, socket)
for (const [message, socket] of early.splice(0)) take(message, socket)

program.handle({
  onSettings: (given) => {
    settings = given
    queue.reload()
    log.write({ event: 'settings-reloaded' })
  },
  onFinish: (withinSeconds) => {
    void queue
      .finish(withinSeconds)
      .then(() => store.close())
      .finally(() => process.exit(0))
  },
})
program.ready()

function receive(queue: Queue, message: unknown, socket: unknown): void {
  if (!(socket instanceof Socket)) return
  const given = handover(message)
  if (!given.ok) socket.destroy()
  else if (given.value.handover === 'agent') queue.agent(socket, given.value.token)
  else queue.partner(socket, given.value.program, given.value.index)
}
