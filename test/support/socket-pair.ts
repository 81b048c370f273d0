/**
 * Two connected sockets in this process, and two Connections on such a pair.
 */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { ConnectionOptions } from '../../src/io/connection.ts'
import { Connection } from '../../src/io/connection.ts'

export async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const accepted = once(server, 'connection')
  const near = connect(address.port, '127.0.0.1')
  await once(near, 'connect')
  const [far] = (await accepted) as [Socket]
  server.close()
  near.setNoDelay(true)
  far.setNoDelay(true)
  return [near, far]
}

/** Joins two ends; the first is the one that has travelled and speaks first. */
export async function connectionPair(
  near: Partial<ConnectionOptions>,
  far: Partial<ConnectionOptions>,
): Promise<readonly [Connection, Connection]> {
  const [one, other] = await socketPair()
  const options = { self: { release: 'test', program: 'test' }, onLost: () => undefined }
  return [
    new Connection(one, { ...options, ...near, speaksFirst: true }),
    new Connection(other, { ...options, ...far, speaksFirst: false }),
  ]
}
