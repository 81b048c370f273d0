/**
 * Reads a message's header as it streams past: how long it is, and how often the message has travelled.
 *
 * Each Received and each Delivered-To field is one hop; a message with too many of them is going in
 * circles. The header is all lines before the first empty one. Holds 13 bytes, whatever comes.
 *
 * RFC 5321 section 6.3 (loop detection).
 */

const HOP_FIELDS = ['received:', 'delivered-to:'].map((name) => Buffer.from(name))
const LONGEST_NAME = 13
const LF = 10

export class HopCounter {
  hops = 0
  /** Bytes of the header so far. */
  headerBytes = 0
  #inHeader = true
  #lineBytes = 0
  readonly #start = Buffer.alloc(LONGEST_NAME)

  /** Takes the next piece of the content, in LF form. */
  read(content: Uint8Array): void {
    let from = 0
    while (this.#inHeader && from < content.length) {
      const found = content.indexOf(LF, from)
      const end = found === -1 ? content.length : found
      this.#keepStart(content, from, end)
      if (found === -1) return
      this.#endLine()
      from = end + 1
    }
  }

  #keepStart(content: Uint8Array, from: number, end: number): void {
    const until = Math.min(end, from + LONGEST_NAME - this.#lineBytes)
    for (let at = from; at < until; at += 1) {
      this.#start[this.#lineBytes + at - from] = content[at] as number
    }
    this.#lineBytes += end - from
    this.headerBytes += end - from
  }

  #endLine(): void {
    this.headerBytes += 1
    if (this.#lineBytes === 0) this.#inHeader = false
    else if (HOP_FIELDS.some((name) => this.#begins(name))) this.hops += 1
    this.#lineBytes = 0
  }

  /** Whether the line begins with `name`, which is lower case; letters of both cases count. */
  #begins(name: Buffer): boolean {
    if (this.#lineBytes < name.length) return false
    for (let at = 0; at < name.length; at += 1) {
      const byte = this.#start[at] as number
      if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== name[at]) return false
    }
    return true
  }
}
