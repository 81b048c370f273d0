/**
 * Cuts what a client sends into command lines.
 *
 * A line ends in CRLF and in nothing else. A CR or LF that stands alone, or a NUL, makes the whole
 * session untrustworthy: another reader of the same bytes would see other lines.
 *
 * RFC 5321 section 2.3.8 (lines), section 4.5.3.1.4 (length); RFC 6531 section 3.1 (UTF-8).
 */

export type LineProblem = 'bad line' | 'too long' | 'not text'

export type NextLine =
  /** `text` without CRLF; the next line begins at `next`. */
  | { readonly kind: 'line'; readonly text: string; readonly next: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly problem: LineProblem }

const LF = 10
const CR = 13
const INCOMPLETE: NextLine = { kind: 'incomplete' }

/** `longest` counts the CRLF. */
export function nextLine(bytes: Buffer, from: number, longest: number): NextLine {
  const end = bytes.indexOf(LF, from)
  const length = (end === -1 ? bytes.length : end + 1) - from
  if (length > longest) return { kind: 'refused', problem: 'too long' }
  if (end === -1) return INCOMPLETE
  if (end === from || bytes[end - 1] !== CR) return { kind: 'refused', problem: 'bad line' }
  return readText(bytes, from, end - 1)
}

function readText(bytes: Buffer, from: number, end: number): NextLine {
  let bits = 0
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at] as number
    if (byte === CR || byte === 0) return { kind: 'refused', problem: 'bad line' }
    bits |= byte
  }
  if (bits < 128) return { kind: 'line', text: bytes.toString('latin1', from, end), next: end + 2 }
  const text = bytes.toString('utf8', from, end)
  // Whatever is not UTF-8 has become U+FFFD, which no command needs.
  if (text.includes('\ufffd')) return { kind: 'refused', problem: 'not text' }
  return { kind: 'line', text, next: end + 2 }
}
