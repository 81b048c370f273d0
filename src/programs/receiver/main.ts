/**
 * The receiver's process: begins, connects sessions with the queue, ends.
 */

import type { ReceiverSettings } from '../../contracts/settings.ts'
import { beginProgram, connectionToQueue } from '../../io/program.ts'
import { askRecipient, QueueSubmission } from './enqueue.ts'
import { KnownRecipients } from './known-recipients.ts'
import { Receiver } from './serve.ts'

const program = await beginProgram<ReceiverSettings>()
const { beginning, log } = program

const connection = connectionToQueue('receiver', {
  self: { release: beginning.release, program: 'receiver' },
  onHello: () => void openDoors(),
  onLost: (why) => {
    log.write({ event: 'queue-lost', fields: { why } })
    void receiver.abandon().then(() => process.exit(0))
  },
})
const known = new KnownRecipients({
  ask: (address) => askRecipient(connection, address),
  now: () => performance.now(),
})
const receiver = new Receiver({
  settings: beginning.settings,
  log,
  queue: {
    recipient: (address) => known.recipient(address),
    submit: (head) => new QueueSubmission(connection, head),
  },
})

program.handle({
  onFinish: (withinSeconds) => void receiver.finish(withinSeconds).then(() => process.exit(0)),
})

async function openDoors(): Promise<void> {
  for (const door of beginning.doors.filter(({ kind }) => kind === 'smtp')) {
    try {
      await receiver.listen({ fd: door.fd })
    } catch (error) {
      program.cannot(`cannot listen at ${door.name}: ${String(error)}`)
    }
  }
  program.ready()
}
