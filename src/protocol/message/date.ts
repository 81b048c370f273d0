/**
 * A moment as a header field writes it: `Sun, 22 Nov 2026 18:30:00 +0100`.
 *
 * RFC 5322 section 3.3 (date-time). The zone is always given in numbers.
 */

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** `at` in milliseconds since 1970; `zoneMinutes` is local time minus UTC. */
export function formatDate(at: number, zoneMinutes: number): string {
  const local = new Date(at + zoneMinutes * 60_000)
  const day = `${DAYS[local.getUTCDay()]}, ${local.getUTCDate()} ${MONTHS[local.getUTCMonth()]}`
  const time = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()].map(two)
  const year = String(local.getUTCFullYear()).padStart(4, '0')
  return `${day} ${year} ${time.join(':')} ${formatZone(zoneMinutes)}`
}

function formatZone(minutes: number): string {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
