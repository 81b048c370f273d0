/**
 * Addresses and ports of the loopback network for tests with real servers on well-known ports.
 */

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { until } from './postern.ts'

/** 256 addresses that no other run of a test is likely to have chosen: add `.1` and so on. */
export function ownBlock(): string {
  return `127.${randomInt(64, 250)}.${randomInt(250)}`
}

/** A port free for TCP now; those for datagrams are rarely held. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Waits for a server that is only just starting. */
export function untilListening(host: string, port: number): Promise<void> {
  return until(() => isListening(host, port), 20)
}

async function isListening(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host)
  const open = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  socket.destroy()
  return open
}
