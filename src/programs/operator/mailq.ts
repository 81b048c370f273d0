/**
 * `postern mailq`, and with it `mailq` and `sendmail -bp`: the queue in sendmail's layout, which programs
 * read. Operators see the messages; everyone else is told how many there are.
 */

import type { Command } from 'commander'
import type { ListedMessage } from '../../contracts/control.ts'
import type { DoorOptions } from './find-door.ts'
import { findPlace } from './find-door.ts'
import { fail, harmless, print } from './print.ts'
import { listMessages } from './queue.ts'
import { askCounts } from './status.ts'

const RULE = '-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------'
const EX_NOPERM = 77

export function addMailqCommand(program: Command): void {
  program
    .command('mailq')
    .description('the queue as sendmail lists it')
    .option('--config <file>', 'the configuration of the Postern that is meant')
    .option('--run <directory>', 'the directory with its sockets (paths.run)')
    .option('--json', 'JSON, one object a line')
    .option('-v, --verbose', 'accepted for the sake of sendmail; there is nothing more to tell')
    .allowExcessArguments()
    .allowUnknownOption()
    .action(mailq)
}

async function mailq(options: DoorOptions & { readonly json?: boolean }): Promise<void> {
  const place = await findPlace(options)
  const counts = await askCounts(options)
  if (!counts.ok) return fail('mailq', counts.problem)
  const { messages } = counts.value
  const directory = place.ok ? place.value.queue : 'the queue'
  if (!options.json) await print(heading(directory, messages))
  if (messages > 0) {
    const trouble = await listMessages(options, {}, async (item) => {
      if (item.item !== 'message') return
      const { message } = item
      await print(options.json ? `${JSON.stringify(message)}\n` : formatMailqMessage(message))
    })
    // Not being an operator is no failure: the counts are told.
    if (trouble !== undefined && trouble.exitCode !== EX_NOPERM) return fail('mailq', trouble)
    if (trouble !== undefined) process.stderr.write(`mailq: ${trouble.text}\n`)
  }
  if (!options.json) await print(`\t\tTotal requests: ${messages}\n`)
}

function heading(directory: string, messages: number): string {
  if (messages === 0) return `${directory} is empty\n`
  const requests = messages === 1 ? '1 request' : `${messages} requests`
  return `\t\t${directory} (${requests})\n${RULE}\n`
}

/** `Sun Nov 22 18:30`, local time. */
function formatQueueTime(at: number): string {
  const date = new Date(at)
  const [day, month] = date.toString().split(' ')
  const time = date.toTimeString().slice(0, 5)
  return `${day} ${month} ${String(date.getDate()).padStart(2)} ${time}`
}

export function formatMailqMessage(message: ListedMessage): string {
  const { queueId, size, arrivedAt, reversePath, recipients, recipientCount } = message
  const busy = recipients.some(({ state }) => state === 'attempting') ? '*' : ' '
  const id = `${queueId}${busy}`.padEnd(14)
  const line = `${id} ${String(size).padStart(8)} ${formatQueueTime(arrivedAt)} <${harmless(reversePath)}>`
  const reason = recipients.find(({ lastText }) => lastText !== undefined)?.lastText
  const hidden = recipientCount - recipients.length
  return `${[
    line,
    ...(reason === undefined ? [] : [`                 (${harmless(reason).slice(0, 60)})`]),
    ...recipients.map(({ address }) => `\t\t\t\t\t <${harmless(address)}>`),
    ...(hidden > 0 ? [`\t\t\t\t\t (and ${hidden} more)`] : []),
  ].join('\n')}\n`
}
