/**
 * Postern for a benchmark: the settings `npm start` uses, in a directory of its own.
 */

import { startPostern } from '../test/support/postern.ts'
import type { Peer } from './peer.ts'

export async function startPosternPeer(directory: string): Promise<Peer> {
  const postern = await startPostern({ directory })
  return {
    name: 'Postern',
    port: postern.smtpPort,
    domain: 'postern.test',
    mail: `${directory}/mail`,
    pid: postern.pids('supervisor')[0] ?? 0,
    stop: async () => {
      await postern.stop()
    },
  }
}
