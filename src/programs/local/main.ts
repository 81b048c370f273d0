/**
 * The local agent: delivers mail as its recipient, and leaves when the queue does.
 */

import { Socket } from 'node:net'
import { agentSettings, FD } from '../../contracts/supervision.ts'
import { Connection } from '../../io/connection.ts'
import { makeAgent } from './agent.ts'
import { Serving } from './serve.ts'

const EXIT_USAGE = 64
/** What has not been tidied up by then is tidied up by a later agent. */
const LEAVE_WITHIN_MILLISECONDS = 5_000

for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => undefined)
process.umask(0o007)

const settings = agentSettings(parseJson(process.argv[2] ?? ''))
if (!settings.ok) process.exit(EXIT_USAGE)

const serving = new Serving(makeAgent(settings.value))
const socket = new Socket({ fd: FD.orders, readable: true, writable: true })
const connection = new Connection(socket, {
  self: { release: settings.value.release, program: 'local' },
  speaksFirst: false,
  onOpen: (stream, head) => serving.open(stream, head),
  onLost: () => {
    setTimeout(() => process.exit(0), LEAVE_WITHIN_MILLISECONDS)
    void serving.settled().then(() => process.exit(0))
  },
})
process.on('exit', () => connection.close())

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
