/**
 * IP addresses as numbers: read from text, compared by prefix.
 *
 * An IPv4 address inside IPv6 (`::ffff:192.0.2.1`, which a socket open for both families reports) is
 * taken for what it is, an IPv4 address, so that one rule covers both spellings.
 *
 * RFC 4291 section 2.2 (text), section 2.5.5.2 (IPv4-mapped), RFC 4632 section 3.1 (prefixes).
 */

export interface IpAddress {
  readonly family: 4 | 6
  /** Four or sixteen numbers from 0 to 255. */
  readonly bytes: readonly number[]
}

const LONGEST_TEXT = 45

/** Answers undefined for anything that is not exactly an address; a zone (`%eth0`) is not. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.length > LONGEST_TEXT) return undefined
  if (!text.includes(':')) {
    const bytes = parseIpv4(text)
    return bytes && { family: 4, bytes }
  }
  const bytes = parseIpv6(text)
  if (bytes === undefined) return undefined
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255
  return mapped && bytes[11] === 255 ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes }
}

/** Whether both agree in their first `prefix` bits. */
export function isWithin(address: IpAddress, block: IpAddress, prefix: number): boolean {
  if (address.family !== block.family) return false
  const whole = prefix >> 3
  for (let index = 0; index < whole; index += 1) {
    if (address.bytes[index] !== block.bytes[index]) return false
  }
  const rest = 8 - (prefix & 7)
  return rest === 8 || (address.bytes[whole] ?? 0) >> rest === (block.bytes[whole] ?? 0) >> rest
}

function parseIpv4(text: string): readonly number[] | undefined {
  const parts = text.split('.')
  const plain = parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  return parts.length === 4 && plain ? parts.map(Number) : undefined
}

function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groups = halves.map((half, index) => parseGroups(half, index === halves.length - 1))
  const [front, back] = groups
  if (front === undefined) return undefined
  if (halves.length === 1) return front.length === 16 ? front : undefined
  if (back === undefined || front.length + back.length > 14) return undefined
  return [...front, ...Array<number>(16 - front.length - back.length).fill(0), ...back]
}

/** Groups of four hexadecimal digits; the very last of the address may be an IPv4 address. */
function parseGroups(text: string, atEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    const embedded = atEnd && index === groups.length - 1 ? parseIpv4(group) : undefined
    if (embedded !== undefined) bytes.push(...embedded)
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 255)
    } else return undefined
  }
  return bytes
}

/** An address as a socket tells it, in the form it is compared and written in: no zone, IPv4 as IPv4. */
export function plainAddress(text: string): string {
  const zone = text.indexOf('%')
  const plain = zone === -1 ? text : text.slice(0, zone)
  const address = plain.includes('.') ? parseIpAddress(plain) : undefined
  return address?.family === 4 ? address.bytes.join('.') : plain
}
