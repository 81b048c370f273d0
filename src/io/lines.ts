/**
 * Lines of JSON on a socket, from somebody who may send anything.
 *
 * A line over the limit ends the reading: nothing of it is kept, and no buffer grows beyond it.
 */

const LF = 0x0a

export class LineReader {
  readonly #longest: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(longest: number) {
    this.#longest = longest
  }

  /** The lines that are complete now, without their ends; nothing if one is too long. */
  read(bytes: Buffer): readonly string[] | undefined {
    let text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const lines: string[] = []
    for (let end = text.indexOf(LF); end !== -1; end = text.indexOf(LF)) {
      if (end > this.#longest) return undefined
      lines.push(text.toString('utf8', 0, end))
      text = text.subarray(end + 1)
    }
    if (text.length > this.#longest) return undefined
    this.#rest = Buffer.from(text)
    return lines
  }
}

/** Nothing if it is no JSON. */
export function parseJsonLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown
  } catch {
    return undefined
  }
}

export function formatJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
