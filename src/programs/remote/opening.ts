/**
 * The beginning of a dialogue with a mail host, up to where transactions may start, stepped by its replies.
 *
 *     greeting ──220──▶ ehlo ──250──▶ open
 *                        └───5yz──▶ helo ──250──▶ open (without extensions)
 *
 * Any other reply means: not this host, not now; another may be tried (RFC 5321 section 5.1). Even
 * a permanent refusal here is about us or the host and not about the message, so it never fails it.
 *
 * RFC 5321 section 3.1 (greeting), section 3.2 and 4.1.1.1 (EHLO, and HELO for old servers).
 */

import type { ServerReply } from '../../protocol/smtp/server-reply.ts'
import type { TimeoutName } from './timeouts.ts'

export type Opening = 'greeting' | 'ehlo' | 'helo'

/** What the host said it can do: keywords in upper case, with their parameters. */
export interface Peer {
  readonly extensions: ReadonlyMap<string, string>
}

export type OpeningTurn =
  | { readonly kind: 'say'; readonly line: string; readonly opening: Opening }
  | { readonly kind: 'open'; readonly peer: Peer }
  | { readonly kind: 'refused' }

export const OPENING_TIMEOUT: Readonly<Record<Opening, TimeoutName>> = {
  greeting: 'greeting',
  ehlo: 'hello',
  helo: 'hello',
}

export function hearOpening(opening: Opening, reply: ServerReply, hostname: string): OpeningTurn {
  switch (opening) {
    case 'greeting':
      return reply.code === 220
        ? { kind: 'say', line: `EHLO ${hostname}`, opening: 'ehlo' }
        : { kind: 'refused' }
    case 'ehlo':
      if (reply.code === 250) return { kind: 'open', peer: { extensions: readExtensions(reply) } }
      return reply.code >= 500
        ? { kind: 'say', line: `HELO ${hostname}`, opening: 'helo' }
        : { kind: 'refused' }
    case 'helo':
      return reply.code === 250
        ? { kind: 'open', peer: { extensions: new Map() } }
        : { kind: 'refused' }
  }
}

// ehlo-line    = ehlo-keyword *( SP ehlo-param )
// ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
function readExtensions(reply: ServerReply): ReadonlyMap<string, string> {
  const extensions = new Map<string, string>()
  for (const line of reply.lines.slice(1)) {
    const match = /^([a-z0-9][a-z0-9-]{0,63})(?:[ =](.*))?$/i.exec(line)
    const keyword = match?.[1]?.toUpperCase()
    if (keyword !== undefined) extensions.set(keyword, match?.[2]?.trim() ?? '')
  }
  return extensions
}
