/**
 * The Delivered-To field: written at the top of every copy, and looked for in what arrives, so that
 * a message that comes round to the same mailbox is recognised.
 *
 * The scan takes the message in any pieces and stops at the end of the header. It keeps one unfinished
 * line and the addresses found, both bounded: whoever makes a header longer than that has only
 * hidden the field from a check that the hop count repeats.
 *
 * RFC 9228 (the Delivered-To field); RFC 5322 section 2.1 (the header ends at the first empty line).
 */

const NAME = 'delivered-to:'
const LF = 0x0a

/** A line longer than this is no Delivered-To line of ours: an address has at most 900 characters. */
const LONGEST_LINE = 2_048
const LONGEST_HEADER = 1_048_576
const MOST_FOUND = 200

export function formatDeliveredTo(address: string): string {
  return `Delivered-To: ${withoutControls(address)}\n`
}

/** Line ends and other controls become `_`: a field stays one line. */
export function withoutControls(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f]/g, '_')
}

export interface DeliveredToScan {
  readonly inHeader: boolean
  /** Addresses of Delivered-To fields, in the order of the header. */
  readonly found: readonly string[]
  readonly scanned: number
  /** The beginning of a line whose end has not come yet, cut to LONGEST_LINE + 1 bytes. */
  readonly unfinished: Buffer
}

export const DELIVERED_TO_SCAN: DeliveredToScan = {
  inHeader: true,
  found: [],
  scanned: 0,
  unfinished: Buffer.alloc(0),
}

/** Goes on with the next piece of the message. */
export function scanDeliveredTo(scan: DeliveredToScan, piece: Buffer): DeliveredToScan {
  if (!scan.inHeader) return scan
  const found = [...scan.found]
  let { unfinished } = scan
  let start = 0
  for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
    const line = joined(unfinished, piece.subarray(start, end))
    if (line.length === 0) return { ...scan, inHeader: false, found, unfinished }
    const address = addressOf(line)
    if (address !== undefined && found.length < MOST_FOUND) found.push(address)
    unfinished = DELIVERED_TO_SCAN.unfinished
    start = end + 1
  }
  const scanned = scan.scanned + piece.length
  unfinished = Buffer.from(joined(unfinished, piece.subarray(start)))
  return { inHeader: scanned < LONGEST_HEADER, found, scanned, unfinished }
}

function joined(before: Buffer, after: Buffer): Buffer {
  const room = LONGEST_LINE + 1 - before.length
  if (before.length === 0) return after.subarray(0, room)
  return Buffer.concat([before, after.subarray(0, room)])
}

function addressOf(line: Buffer): string | undefined {
  if (line.length > LONGEST_LINE) return undefined
  if (line.toString('latin1', 0, NAME.length).toLowerCase() !== NAME) return undefined
  return line.toString('utf8', NAME.length).trim()
}
