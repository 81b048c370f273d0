/**
 * What an SMTP server says, as its client reads it: bytes into replies, whatever the chunking.
 *
 * The server is a stranger. A line or a reply of any length is read to its end, but only its
 * beginning is kept; one that has no end, a code that is no code, or lines of one reply that disagree
 * are a problem, and after a problem nothing on that connection can be believed.
 *
 *     Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *     Reply-code = %x32-35 %x30-35 %x30-39
 *
 * Read more generously than that: any second digit, since RFC 5321 section 4.3.2 wants a client to
 * act on the first; and a line may end in LF alone. RFC 3463 (the enhanced status in front of the text).
 */

export interface ServerReply {
  readonly code: number
  /** The text of each line, without code and separator; only the first ones are kept. */
  readonly lines: readonly string[]
}

export type ServerReplyProblem = 'not a reply' | 'lines of one reply disagree' | 'endless reply'

/** RFC 5321 section 4.5.3.1.5 allows a line of 512 octets; more than that is kept, all of it is read. */
export const KEPT_OF_REPLY_LINE = 1_000
/** Enough for every extension a server may list. */
export const KEPT_REPLY_LINES = 100
/** A reply beyond this is not waited for. */
export const LONGEST_REPLY = 4_194_304

/** What has been read of a reply so far. */
export interface ReplyReader {
  readonly line: Uint8Array
  readonly code: number | undefined
  readonly lines: readonly string[]
  /** Bytes of this reply, kept or not. */
  readonly size: number
}

export const NEW_REPLY_READER: ReplyReader = {
  line: new Uint8Array(0),
  code: undefined,
  lines: [],
  size: 0,
}

export interface RepliesRead {
  readonly reader: ReplyReader
  readonly replies: readonly ServerReply[]
  /** What is wrong after these replies; nothing further is to be read. */
  readonly problem?: ServerReplyProblem
}

const LF = 10
const CR = 13

export function readReplies(start: ReplyReader, bytes: Uint8Array): RepliesRead {
  const replies: ServerReply[] = []
  let reader = start
  let offset = 0
  while (offset < bytes.length) {
    const found = bytes.indexOf(LF, offset)
    const end = found === -1 ? bytes.length : found
    reader = lengthen(reader, bytes.subarray(offset, end))
    offset = end + 1
    if (reader.size > LONGEST_REPLY) return { reader, replies, problem: 'endless reply' }
    if (found === -1) break
    const step = finishLine(reader)
    if (typeof step === 'string') return { reader, replies, problem: step }
    if ('code' in step && 'reader' in step) replies.push({ code: step.code, lines: step.lines })
    reader = step.reader
  }
  return { reader, replies }
}

function lengthen(reader: ReplyReader, piece: Uint8Array): ReplyReader {
  const size = reader.size + piece.length + 1
  const kept = piece.subarray(0, KEPT_OF_REPLY_LINE - reader.line.length)
  if (kept.length === 0) return { ...reader, size }
  const line = new Uint8Array(reader.line.length + kept.length)
  line.set(reader.line)
  line.set(kept, reader.line.length)
  return { ...reader, line, size }
}

type LineRead =
  | { readonly reader: ReplyReader }
  | { readonly reader: ReplyReader; readonly code: number; readonly lines: readonly string[] }

function finishLine(reader: ReplyReader): LineRead | ServerReplyProblem {
  const whole = reader.line.at(-1) === CR ? reader.line.subarray(0, -1) : reader.line
  const match = /^([2-5][0-9][0-9])(?:([ -])(.*))?$/s.exec(new TextDecoder().decode(whole))
  if (match === null) return 'not a reply'
  const code = Number(match[1])
  if (reader.code !== undefined && reader.code !== code) return 'lines of one reply disagree'
  const keep = reader.lines.length < KEPT_REPLY_LINES
  const lines = keep ? [...reader.lines, match[3] ?? ''] : reader.lines
  if (match[2] === '-') {
    return { reader: { line: NEW_REPLY_READER.line, code, lines, size: reader.size } }
  }
  return { reader: NEW_REPLY_READER, code, lines }
}

/** The reply on one line, code first, with nothing in it that could disturb a terminal or a log. */
export function quoteReply(reply: ServerReply, longest: number): string {
  const words = reply.lines.map((line) => line.trim()).filter((line) => line !== '')
  const text = [String(reply.code), ...words].join(' ')
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?').slice(0, longest)
}

/** Subject and detail of the enhanced status the reply begins with, if its class fits the code. */
export function enhancedStatusOf(
  reply: ServerReply,
): { readonly subject: number; readonly detail: number } | undefined {
  const match = /^([245])\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})(?: |$)/.exec(
    reply.lines[0] ?? '',
  )
  if (match === null || Number(match[1]) !== Math.floor(reply.code / 100)) return undefined
  return { subject: Number(match[2]), detail: Number(match[3]) }
}
