/**
 * The line that separates messages in an mbox file: `From joe@example.org Thu Nov 19 08:05:09 2026`.
 *
 * The address is one word whatever the sender made of it, the date has always 24 characters, in UTC.
 *
 * RFC 4155 appendix A (the mbox format).
 */

import { NULL_SENDER, splitMailbox } from '../address/mailbox.ts'
import { withoutControls } from './delivered-to.ts'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function formatFromLine(reversePath: string, atMilliseconds: number): string {
  const { localPart, domain } = splitMailbox(reversePath)
  const address = domain === '' ? localPart : `${localPart}@${domain}`
  const word = withoutControls(address.replaceAll(/[ \t\n]/g, '-'))
  return `From ${reversePath === NULL_SENDER ? 'MAILER-DAEMON' : word} ${formatMboxDate(atMilliseconds)}\n`
}

/** `Www Mmm dd hh:mm:ss yyyy`. */
function formatMboxDate(atMilliseconds: number): string {
  const at = new Date(atMilliseconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(':')
  return `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${two(at.getUTCDate())} ${time} ${at.getUTCFullYear()}`
}
