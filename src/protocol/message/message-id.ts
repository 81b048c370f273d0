/**
 * The Message-ID of a message that came without one.
 *
 * Unique by `unique`, which the caller draws at random; the time in front is for people. Nothing of
 * the sender but the host name is told.
 *
 * RFC 5322 section 3.6.4 (msg-id).
 */

/** `unique` is made of letters, digits and dots. */
export function formatMessageId(now: number, unique: string, hostname: string): string {
  const digits = new Date(now)
    .toISOString()
    .replaceAll(/[^0-9]/g, '')
    .slice(0, 14)
  return `<${digits}.${unique}@${hostname}>`
}
