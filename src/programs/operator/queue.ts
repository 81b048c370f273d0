/**
 * `postern queue list | show | retry | remove`: what waits, and acts upon it.
 *
 * All of it goes through the operators' door. Listings are printed as they come, page by page, so that
 * a queue of a million messages needs no more memory than one of ten.
 */

import type { Command } from 'commander'
import type { ControlItem, ControlRequest, Selection } from '../../contracts/control.ts'
import type { Result } from '../../protocol/result.ts'
import type { Done, Trouble } from './ask.ts'
import { ask } from './ask.ts'
import type { DoorOptions } from './find-door.ts'
import { findPlace } from './find-door.ts'
import {
  fail,
  formatEvent,
  formatMessage,
  formatMessageHead,
  formatRecipients,
  print,
} from './print.ts'

interface CommonOptions extends DoorOptions {
  readonly json?: boolean
}

interface SelectionOptions extends CommonOptions {
  readonly id?: string
  readonly sender?: string
  readonly recipient?: string
  readonly domain?: string
  readonly all?: boolean
}

const PAGE = 100
const EX_USAGE = 64

export function addQueueCommands(program: Command): void {
  const queue = program.command('queue').description('what is in the queue, and acts upon it')
  selecting(common(queue.command('list')))
    .description('messages that wait, oldest first, with at most ten recipients of each')
    .action(list)
  common(queue.command('show <id>'))
    .description('one message: its recipients and its story')
    .option('--content', 'its content as well')
    .action(show)
  selecting(common(queue.command('retry')))
    .description('makes recipients due now')
    .option('--all', 'all that wait')
    .action(retry)
  selecting(common(queue.command('remove')))
    .description('removes recipients without telling their sender')
    .action(remove)
}

function common(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration of the Postern that is meant')
    .option('--run <directory>', 'the directory with its sockets (paths.run)')
    .option('--json', 'JSON, one object a line')
}

function selecting(command: Command): Command {
  return command
    .option('--id <id>', 'only of this message')
    .option('--sender <address>', 'only from this sender; "" for reports')
    .option('--recipient <address>', 'only this recipient')
    .option('--domain <domain>', 'only recipients of this domain')
}

function selectionOf(options: SelectionOptions): Selection {
  const { id, sender, recipient, domain } = options
  return {
    ...(id === undefined ? {} : { queueId: id }),
    ...(sender === undefined ? {} : { sender }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(domain === undefined ? {} : { domain }),
  }
}

export async function askOperators(
  options: DoorOptions,
  request: ControlRequest,
  onItem?: (item: ControlItem) => void | Promise<void>,
): Promise<Result<Done, Trouble>> {
  const place = await findPlace(options)
  if (!place.ok) return place
  return ask({ run: place.value.run, name: 'operators' }, request, onItem)
}

/** All messages of a selection, page by page. */
export async function listMessages(
  options: DoorOptions,
  selection: Selection,
  onItem: (item: ControlItem) => void | Promise<void>,
): Promise<Trouble | undefined> {
  let after: string | undefined
  do {
    const from = after === undefined ? {} : { after }
    const request: ControlRequest = { type: 'list', selection, limit: PAGE, ...from }
    const page = await askOperators(options, request, onItem)
    if (!page.ok) return page.problem
    after = page.value.next
  } while (after !== undefined)
  return undefined
}

async function list(options: SelectionOptions): Promise<void> {
  const trouble = await listMessages(options, selectionOf(options), async (item) => {
    if (item.item !== 'message') return
    const { message } = item
    await print(options.json ? `${JSON.stringify(message)}\n` : formatMessage(message))
  })
  if (trouble !== undefined) fail('postern queue list', trouble)
}

async function show(
  id: string,
  options: CommonOptions & { readonly content?: boolean },
): Promise<void> {
  const content = options.content === true
  const request: ControlRequest = { type: 'show', queueId: id, content }
  let before: ControlItem['item'] | undefined
  const answer = await askOperators(options, request, async (item) => {
    await print(options.json ? `${JSON.stringify(item)}\n` : shown(item, before))
    before = item.item
  })
  if (!answer.ok) fail('postern queue show', answer.problem)
}

/** A message with many recipients comes in several items, and its content in pieces. */
function shown(item: ControlItem, before: ControlItem['item'] | undefined): string | Buffer {
  const first = before !== item.item
  if (item.item === 'message') {
    return (first ? formatMessageHead(item.message) : '') + formatRecipients(item.message)
  }
  if (item.item === 'event') return formatEvent(item.event)
  if (item.item !== 'content') return ''
  const bytes = Buffer.from(item.bytes, 'latin1')
  return first ? Buffer.concat([Buffer.from('\n'), bytes]) : bytes
}

async function retry(options: SelectionOptions): Promise<void> {
  await act('retry', options, options.all === true)
}

async function remove(options: SelectionOptions): Promise<void> {
  await act('remove', options, false)
}

async function act(
  type: 'retry' | 'remove',
  options: SelectionOptions,
  everything: boolean,
): Promise<void> {
  const selection = selectionOf(options)
  const command = `postern queue ${type}`
  if (Object.keys(selection).length === 0 && !everything) {
    const all = type === 'retry' ? ', or --all' : ''
    const text = `say which: --id, --sender, --recipient or --domain${all}`
    return fail(command, { exitCode: EX_USAGE, text })
  }
  const answer = await askOperators(options, { type, selection })
  if (!answer.ok) return fail(command, answer.problem)
  const { affected } = answer.value
  const count = affected === 1 ? '1 recipient' : `${affected} recipients`
  const done = type === 'retry' ? 'due now' : 'removed; their senders are not told'
  await print(options.json ? `${JSON.stringify({ affected })}\n` : `${count} ${done}\n`)
}
