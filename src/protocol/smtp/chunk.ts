/**
 * BDAT: message content in chunks of a length told beforehand, without dots.
 *
 * Since what follows a chunk is found by counting, a BDAT whose numbers cannot be read leaves no way to
 * tell content from commands: the session must end there.
 *
 * RFC 3030 section 2. BINARYMIME (section 3) is not offered: content has lines here.
 */

export interface ChunkHead {
  readonly size: number
  readonly last: boolean
}

// bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CR LF
// chunk-size = 1*DIGIT          end-marker = "LAST"
export function parseChunkHead(argument: string): ChunkHead | undefined {
  const [, digits, marker] = /^(\d{1,15})( +LAST)?$/i.exec(argument) ?? []
  return digits === undefined ? undefined : { size: Number(digits), last: marker !== undefined }
}
