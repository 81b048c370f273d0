/**
 * `postern status`: exits 0 once mail is accepted, and says how much is in the queue.
 *
 * Everyone may ask; the operators' door is tried where everyone's does not answer.
 */

import type { Command } from 'commander'
import type { QueueCounts } from '../../contracts/control.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'
import type { Trouble } from './ask.ts'
import { ask } from './ask.ts'
import type { DoorOptions } from './find-door.ts'
import { findPlace } from './find-door.ts'
import { fail, formatDuration, print } from './print.ts'

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('exits 0 while mail is accepted; tells how much is in the queue')
    .option('--config <file>', 'the configuration of the Postern that is meant')
    .option('--run <directory>', 'the directory with its sockets (paths.run)')
    .option('--json', 'one JSON object')
    .action(async (options: DoorOptions & { readonly json?: boolean }) => {
      const counts = await askCounts(options)
      if (!counts.ok) return fail('postern status', counts.problem)
      const text = options.json ? JSON.stringify(counts.value) : describe(counts.value)
      return print(`${text}\n`)
    })
}

/** By whichever door answers. */
export async function askCounts(options: DoorOptions): Promise<Result<QueueCounts, Trouble>> {
  const place = await findPlace(options)
  if (!place.ok) return place
  const { run } = place.value
  const first = await askAt({ run, name: 'everyone' })
  return first.ok ? first : askAt({ run, name: 'operators' })
}

async function askAt(door: Parameters<typeof ask>[0]): Promise<Result<QueueCounts, Trouble>> {
  let counts: QueueCounts | undefined
  const answer = await ask(door, { type: 'status' }, (item) => {
    if (item.item === 'counts') counts = item.counts
  })
  if (!answer.ok) return answer
  return counts === undefined
    ? refused({ exitCode: 69, text: 'Postern answers, but tells no counts' })
    : ok(counts)
}

function describe({ messages, recipients, held, attempting, oldestSeconds }: QueueCounts): string {
  const age = messages === 0 ? '' : `, the oldest for ${formatDuration(oldestSeconds)}`
  return `Postern accepts mail.
${messages} messages for ${recipients} recipients in the queue${age}; ${attempting} being delivered, ${held} held.`
}
