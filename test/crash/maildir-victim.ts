/**
 * Delivers one message into a Maildir and is killed right before, or right after, its nth step on the disk.
 *
 * Arguments: home, number of the step, `before` or `after`. Prints `delivered` if it gets that far, and the
 * number of steps it took.
 */

import type { Disk } from '../../src/io/disk.ts'
import { DISK } from '../../src/io/disk.ts'
import { makeAgent } from '../../src/programs/local/agent.ts'
import { deliver } from '../../src/programs/local/deliver.ts'
import { Inbox } from '../../src/programs/local/inbox.ts'

const [home = '', fatalStep = '', moment = ''] = process.argv.slice(2)
let steps = 0

const die = () => process.kill(process.pid, 'SIGKILL')

/** Half a piece may be on disk when the process dies in the middle of a write. */
async function dieDuring(name: string, given: readonly unknown[]): Promise<void> {
  const [descriptor, bytes] = given
  if (name === 'write' && Buffer.isBuffer(bytes)) {
    await DISK.write(descriptor as number, bytes.subarray(0, bytes.length / 2))
  }
  die()
}

const disk = Object.fromEntries(
  Object.entries(DISK).map(([name, real]) => [
    name,
    (...given: readonly unknown[]) => {
      steps += 1
      const call = real as (...given: readonly unknown[]) => unknown
      if (String(steps) !== fatalStep) return call(...given)
      if (moment === 'before') return dieDuring(name, given)
      const result = call(...given)
      if (result instanceof Promise) return result.then(die, die)
      die()
      return result
    },
  ]),
) as unknown as Disk

const content = Buffer.from(`Subject: x\n\n${'line\n'.repeat(30_000)}end\n`)
const agent = makeAgent({ release: 'test', home, hostname: 'mx.test' }, { disk })
const inbox = new Inbox(content.length)
inbox.push(content.subarray(0, 60_000))
const recipient = { recipient: 0, address: 'joe@x', mailbox: 'Maildir/', create: true }
await deliver(
  agent,
  {
    type: 'deliver',
    queueId: 'Q',
    reversePath: '',
    size: content.length,
    recipients: [recipient],
  },
  {
    inbox,
    queue: {
      grant: () => {
        inbox.push(content.subarray(60_000))
        inbox.complete()
      },
      record: ({ outcome }) => process.stdout.write(`${outcome.kind} ${steps}\n`),
    },
  },
)
