/**
 * What events say, in every engine alike.
 *
 * Texts come from agents and other hosts, so control characters become spaces and length is capped.
 */

import type { Outcome } from '../../../contracts/outcome.ts'
import type { Origin } from '../../../contracts/submission.ts'

export const LONGEST_EVENT_TEXT = 2_000
export const LONGEST_LAST_TEXT = 1_000

/** `status 5.1.1 host=mx.example.org [192.0.2.1]:25 reply=550 5.1.1 no such user` */
export function outcomeText(outcome: Outcome): string {
  let text = `status ${outcome.status}`
  if (outcome.host !== undefined) text += ` host=${outcome.host}`
  if (outcome.tls !== undefined) text += ` tls=${outcome.tls}`
  if (outcome.reply !== undefined) text += ` reply=${outcome.reply}`
  if (outcome.text !== '' && outcome.text !== outcome.reply) text += ` text=${outcome.text}`
  return printable(text, LONGEST_EVENT_TEXT)
}

export function acceptedText(message: {
  readonly reversePath: string
  readonly size: number
  readonly recipients: number
  readonly origin: Origin
}): string {
  const { reversePath, size, recipients, origin } = message
  let text = `from=<${reversePath}> size=${size} recipients=${recipients} via=${origin.via}`
  if (origin.client !== undefined) text += ` client=${origin.client}`
  if (origin.helo !== undefined) text += ` helo=${origin.helo}`
  if (origin.uid !== undefined) text += ` uid=${origin.uid}`
  return printable(text, LONGEST_EVENT_TEXT)
}

export function printable(text: string, longest: number): string {
  const short = text.length > longest ? text.slice(0, longest) : text
  return /[\0-\x1f\x7f]/.test(short) ? short.replace(/[\0-\x1f\x7f]/g, ' ') : short
}
