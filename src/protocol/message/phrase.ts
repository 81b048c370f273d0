/**
 * A personal name as a header field may hold it: a quoted string, or encoded words where it is not
 * ASCII. Control characters become spaces, so that no name can begin a new field.
 *
 * RFC 5322 section 3.2.5 (phrase), RFC 2047 section 2 (encoded-word, at most 75 characters).
 */

/** Bytes of text in one encoded word: `=?utf-8?B?` + 60 + `?=` stays below 75. */
const ENCODED_BYTES = 45

export function formatPhrase(name: string): string {
  const plain = name.replaceAll(/[\u0000-\u001f\u007f]/g, ' ').trim()
  if (/^[ -~]*$/.test(plain)) return `"${plain.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return encodedPieces(plain)
    .map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`)
    .join('\n  ')
}

/** Cut between characters, since an encoded word must hold whole ones. */
function encodedPieces(text: string): readonly string[] {
  const pieces: string[] = []
  let piece = ''
  for (const character of text) {
    if (Buffer.byteLength(piece + character) > ENCODED_BYTES) {
      pieces.push(piece)
      piece = ''
    }
    piece += character
  }
  return [...pieces, piece]
}
