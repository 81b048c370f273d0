/**
 * How long a mail host is waited for at each step: no shorter than RFC 5321 section 4.5.3.2 asks, since a
 * server that is slow to store a message must not get it twice.
 */

export interface Timeouts {
  /** No section names it; a host that takes longer to answer a SYN is not there. */
  readonly connect: number
  /** RFC 5321 section 4.5.3.2.1. */
  readonly greeting: number
  /** EHLO and HELO; no section names them, taken from the greeting. */
  readonly hello: number
  /** RFC 5321 section 4.5.3.2.2. */
  readonly mail: number
  /** RFC 5321 section 4.5.3.2.3. */
  readonly rcpt: number
  /** RFC 5321 section 4.5.3.2.4. */
  readonly data: number
  /** RFC 5321 section 4.5.3.2.5. */
  readonly dataBlock: number
  /** RFC 5321 section 4.5.3.2.6. */
  readonly dataEnd: number
  readonly reset: number
  /** How long further hosts and addresses are begun with; what runs then is finished. */
  readonly search: number
  /** After so long a connection attempt to one address the next one is begun beside it (RFC 8305). */
  readonly stagger: number
}
export type TimeoutName = keyof Timeouts

const SECOND = 1_000
const MINUTE = 60 * SECOND

export const TIMEOUTS_MS: Timeouts = {
  connect: MINUTE,
  greeting: 5 * MINUTE,
  hello: 5 * MINUTE,
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  dataBlock: 3 * MINUTE,
  dataEnd: 10 * MINUTE,
  reset: MINUTE,
  search: 10 * MINUTE,
  stagger: 2 * SECOND,
}
