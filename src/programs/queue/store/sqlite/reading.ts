/**
 * The content agents get, piece by piece, without holding a transaction between pieces.
 *
 * Small content is taken whole. A content file is opened in the request that finds its row, so it
 * stays readable should the message end meanwhile.
 */

import { PIECE, readPieces } from '../content.ts'
import type { Engine } from './engine.ts'
import type { Body } from './messages.ts'

/** Throws if there is no such message: to send nothing would be to deliver an empty one. */
export async function* readBody(engine: Engine, id: number): AsyncIterable<Uint8Array> {
  const { body, file } = await engine.group.read(() => open(engine, id))
  try {
    yield* pieces(body.prepend)
    if (body.content.kind === 'inline') yield* pieces(body.content.bytes)
    if (file !== undefined) yield* readPieces(file)
    yield* pieces(body.append)
  } finally {
    file?.close()
  }
}

function open(engine: Engine, id: number) {
  const body: Body | undefined = engine.messages.body(id)
  if (body === undefined) throw new Error('the message has left the queue')
  const file = body.content.kind === 'filed' ? engine.files.openNow(body.content.id) : undefined
  return { body, file }
}

function* pieces(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}
