/**
 * How a message is written into an mbox file so that it can be taken out unchanged.
 *
 * mboxrd: every line that is `From ` after any number of `>` gets one more `>` in front, so the
 * quoting can be undone. The `>` is put directly before `From `, which gives the same line and means
 * that at most four bytes wait for the next piece, however long the line. A message that does not
 * end in LF gets one, and an empty line follows it.
 *
 *     quoted line = *">" "From " …
 *
 * RFC 4155 (mbox; the quoting is described in its section 5 as one of several).
 */

const LF = 0x0a
const ANGLE = 0x3e
const FROM = Buffer.from('From ')
const QUOTE = Buffer.from('>')
const NOTHING = Buffer.alloc(0)

export interface Quoting {
  /** All of the current line so far is `>`: a `From ` that follows must be quoted. */
  readonly open: boolean
  /** The last byte written was LF, or nothing was written. */
  readonly lineEnded: boolean
  /** A beginning of `From ` that came at the end of a piece. */
  readonly held: Buffer
}

export const QUOTING: Quoting = { open: true, lineEnded: true, held: NOTHING }

export interface Quoted {
  readonly quoting: Quoting
  readonly bytes: Buffer
}

/** Quotes the next piece of a message. */
export function quoteMbox(quoting: Quoting, piece: Buffer): Quoted {
  const bytes = quoting.held.length === 0 ? piece : Buffer.concat([quoting.held, piece])
  if (bytes.length === 0) return { quoting, bytes }
  const parts: Buffer[] = []
  let start = 0
  for (let at = bytes.indexOf(FROM); at !== -1; at = bytes.indexOf(FROM, at + FROM.length)) {
    if (!isOpenAt(bytes, at, quoting.open)) continue
    parts.push(bytes.subarray(start, at), QUOTE)
    start = at
  }
  const end = bytes.length - heldLength(bytes, quoting.open)
  parts.push(bytes.subarray(start, end))
  const next: Quoting = {
    open: isOpenAt(bytes, end, quoting.open),
    lineEnded: end === 0 ? quoting.lineEnded : bytes[end - 1] === LF,
    held: Buffer.from(bytes.subarray(end)),
  }
  return {
    quoting: next,
    bytes: parts.length === 1 ? bytes.subarray(0, end) : Buffer.concat(parts),
  }
}

/** What follows the last piece: what was held, a line end if it lacks one, and an empty line. */
export function finishMbox(quoting: Quoting): Buffer {
  const lineEnded = quoting.held.length === 0 && quoting.lineEnded
  return Buffer.concat([quoting.held, Buffer.from(lineEnded ? '\n' : '\n\n')])
}

/** Whether the line up to `at` is nothing but `>`. */
function isOpenAt(bytes: Buffer, at: number, openBefore: boolean): boolean {
  let index = at - 1
  while (index >= 0 && bytes[index] === ANGLE) index -= 1
  return index < 0 ? openBefore : bytes[index] === LF
}

function heldLength(bytes: Buffer, openBefore: boolean): number {
  for (let length = Math.min(FROM.length - 1, bytes.length); length > 0; length -= 1) {
    const at = bytes.length - length
    if (FROM.compare(bytes, at, bytes.length, 0, length) !== 0) continue
    return isOpenAt(bytes, at, openBefore) ? length : 0
  }
  return 0
}
