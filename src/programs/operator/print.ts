/**
 * How commands print: for people, safely; and troubles, with their exit code.
 *
 * What strangers wrote (addresses, replies of other hosts) cannot steer the terminal it is shown on.
 */

import { once } from 'node:events'
import type { ListedEvent, ListedMessage, ListedRecipient } from '../../contracts/control.ts'
import type { Trouble } from './ask.ts'

/** Waits while the reader of standard output is behind. */
export async function print(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

export function fail(command: string, trouble: Trouble): void {
  process.stderr.write(`${command}: ${trouble.text}\n`)
  process.exitCode = trouble.exitCode
}

/** Without control characters, and without those that turn the direction of text. */
export function harmless(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?')
}

/** `2026-11-22 18:30:05`, local time. */
export function formatTime(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 19).replace('T', ' ')
}

export function formatSize(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`
  if (bytes < 10_000_000) return `${Math.round(bytes / 1_000)} kB`
  return `${Math.round(bytes / 1_000_000)} MB`
}

export function formatDuration(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ] as const
  const [size, unit] = units.find(([least]) => seconds >= 2 * least) ?? [1, 's']
  return `${Math.floor(seconds / size)} ${unit}`
}

export function formatMessage(message: ListedMessage): string {
  const hidden = message.recipientCount - message.recipients.length
  const more = hidden > 0 ? `    … and ${hidden} more\n` : ''
  return formatMessageHead(message) + formatRecipients(message) + more
}

export function formatMessageHead({
  queueId,
  arrivedAt,
  size,
  reversePath,
}: ListedMessage): string {
  const from = `from <${harmless(reversePath)}>`
  return `${queueId}  ${formatTime(arrivedAt)}  ${formatSize(size)}  ${from}\n`
}

export function formatRecipients({ recipients }: ListedMessage): string {
  return recipients.map((recipient) => `${formatRecipient(recipient)}\n`).join('')
}

function formatRecipient(recipient: ListedRecipient): string {
  const { address, state, nextAttemptAt, attempts, lastText } = recipient
  const when = state === 'waiting' ? `, due ${formatTime(nextAttemptAt)}` : ''
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  const line = `    to <${harmless(address)}>  ${state}${when}, ${tries}`
  return lastText === undefined ? line : `${line}\n        ${harmless(lastText)}`
}

export function formatEvent({ at, event, recipient, text }: ListedEvent): string {
  const about = recipient === undefined ? '' : `  <${harmless(recipient)}>`
  return `    ${formatTime(at)}  ${event}${about}  ${harmless(text)}`.trimEnd().concat('\n')
}
