/**
 * Reads an RFC 3464 report as a mail program would: its parts, and the fields of the machine-readable one.
 *
 * Not the product's own code, on purpose. Strict where the RFC is: three parts, groups of fields with one
 * empty line between them.
 */

export type Fields = ReadonlyMap<string, string>

export interface Report {
  readonly header: Fields
  /** For a person. */
  readonly text: string
  readonly message: Fields
  readonly recipients: readonly Fields[]
  readonly returned: { readonly type: string; readonly content: string }
}

/** Throws if it is no report. `text` is in LF form. */
export function readReport(text: string): Report {
  const whole = splitPart(text)
  const type = whole.fields.get('content-type') ?? ''
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1]
  if (!/^multipart\/report;\s*report-type=delivery-status/.test(type) || boundary === undefined) {
    throw new Error(`not a report: ${type}`)
  }
  const pieces = whole.body.split(`\n--${boundary}`)
  if (pieces.length !== 5 || pieces[4]?.trimEnd() !== '--') {
    throw new Error(`not three parts: ${pieces.length - 2}`)
  }
  const [human, machine, original] = pieces.slice(1, 4).map((piece) => splitPart(piece.slice(1)))
  if (human === undefined || machine === undefined || original === undefined) {
    throw new Error('a part is missing')
  }
  if (machine.fields.get('content-type') !== 'message/delivery-status') {
    throw new Error(`second part: ${machine.fields.get('content-type')}`)
  }
  const [message = new Map(), ...recipients] = machine.body.trimEnd().split('\n\n').map(readFields)
  return {
    header: whole.fields,
    text: human.body,
    message,
    recipients,
    returned: { type: original.fields.get('content-type') ?? '', content: original.body },
  }
}

function splitPart(text: string): { readonly fields: Fields; readonly body: string } {
  const end = text.indexOf('\n\n')
  return { fields: readFields(text.slice(0, end)), body: text.slice(end + 2) }
}

/** By name in lower case; a folded value becomes one line. */
function readFields(text: string): Fields {
  const lines = text.replaceAll(/\n[ \t]+/g, ' ').split('\n')
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      if (colon < 1) throw new Error(`not a field: ${line}`)
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}
