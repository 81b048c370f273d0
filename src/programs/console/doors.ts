/**
 * The console's doors: who may come in, how many at once, and what may be asked there.
 *
 * The operators' door is a socket that only members of the operators' group can reach (its mode, set
 * by the supervisor, is the wall). At everyone's door only `status` is answered.
 */

import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { Door } from '../../contracts/supervision.ts'
import type { Connection } from '../../io/connection.ts'
import { Visit } from './visit.ts'

export const DOOR_LIMITS = {
  /** Commands at one door at once. */
  visits: 32,
  /** Bytes of one request. */
  requestLine: 16_384,
  /** Milliseconds a visitor may say nothing. */
  idle: 60_000,
  /** Bytes of answers that a visitor has not read; enough for the content of a large message. */
  unread: 33_554_432,
} as const
export type DoorLimits = { readonly [Name in keyof typeof DOOR_LIMITS]: number }

export interface DoorOptions {
  readonly kind: Door['kind']
  readonly connection: Connection
  readonly limits: DoorLimits
}

export function openDoor(options: DoorOptions): Server {
  const visitors = new Set<Socket>()
  return createServer((socket) => {
    if (visitors.size >= options.limits.visits) {
      socket.on('error', () => socket.destroy())
      socket.end(`${JSON.stringify({ end: 'refused', why: 'too many commands at once' })}\n`)
      return
    }
    visitors.add(socket)
    socket.on('close', () => visitors.delete(socket))
    new Visit(socket, options).begin()
  })
}
