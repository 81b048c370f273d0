/**
 * The header of a message, cut into fields by where they stand: no byte is decoded or moved.
 *
 * Takes LF form. The header ends at the first empty line, at the first line that is neither a field nor
 * a continuation (what follows is then the body, though no empty line says so), or at the end.
 *
 *     field        = name *(SP / HTAB) ":" rest-of-line *continuation
 *     name         = 1*(%d33-57 / %d59-126)
 *     continuation = (SP / HTAB) rest-of-line
 *
 * A line `From ` (the separator of mbox files, left over by some program) counts as a field with the
 * key `from `, which no real field can have.
 *
 * RFC 5322 section 2.2 (header fields), section 3.6.8 (field names); section 4.5 (blanks before ":").
 */

export interface HeaderField {
  /** As written. */
  readonly name: string
  /** The name in lower case. */
  readonly key: string
  readonly start: number
  /** Just behind the colon. */
  readonly valueStart: number
  /** Behind the LF of its last line. */
  readonly end: number
}

export interface Header {
  readonly fields: readonly HeaderField[]
  /** Behind the last field. */
  readonly end: number
  readonly bodyStart: number
  /** How it ended. */
  readonly ending: 'empty line' | 'other line' | 'end of text'
}

export const MBOX_LINE_KEY = 'from '

const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a

export function readHeader(bytes: Uint8Array): Header {
  const fields: HeaderField[] = []
  let offset = 0
  while (offset < bytes.length) {
    if (bytes[offset] === LF) {
      return { fields, end: offset, bodyStart: offset + 1, ending: 'empty line' }
    }
    const field = readField(bytes, offset)
    if (field === undefined) return { fields, end: offset, bodyStart: offset, ending: 'other line' }
    fields.push(field)
    offset = field.end
  }
  return { fields, end: offset, bodyStart: offset, ending: 'end of text' }
}

function readField(bytes: Uint8Array, start: number): HeaderField | undefined {
  let nameEnd = start
  while (isNameByte(bytes[nameEnd])) nameEnd += 1
  let colon = nameEnd
  while (bytes[colon] === SPACE || bytes[colon] === TAB) colon += 1
  const name = latin1(bytes, start, nameEnd)
  if (name !== '' && bytes[colon] === COLON) {
    const end = endOfField(bytes, colon)
    return { name, key: name.toLowerCase(), start, valueStart: colon + 1, end }
  }
  if (name !== 'From' || bytes[nameEnd] !== SPACE) return undefined
  const end = endOfField(bytes, nameEnd)
  return { name, key: MBOX_LINE_KEY, start, valueStart: nameEnd + 1, end }
}

function isNameByte(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 33 && byte <= 126 && byte !== COLON
}

function endOfField(bytes: Uint8Array, from: number): number {
  let offset = from
  for (;;) {
    const lineEnd = bytes.indexOf(LF, offset)
    if (lineEnd === -1) return bytes.length
    offset = lineEnd + 1
    if (bytes[offset] !== SPACE && bytes[offset] !== TAB) return offset
  }
}

/** The bytes of a value, one character a byte. */
export function fieldValue(bytes: Uint8Array, field: HeaderField): string {
  return latin1(bytes, field.valueStart, field.end)
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
