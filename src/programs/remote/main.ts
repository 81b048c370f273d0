/**
 * The remote agent: carries messages to other hosts and says what became of each recipient.
 */

import { randomInt } from 'node:crypto'
import type { RemoteSettings } from '../../contracts/settings.ts'
import { openResolver } from '../../io/dns.ts'
import { interfaceAddresses } from '../../io/interfaces.ts'
import { beginProgram, connectionToQueue } from '../../io/program.ts'
import { dial } from '../../io/smtp-socket.ts'
import { ownAddresses } from '../../protocol/dns/own-address.ts'
import type { World } from './deliver.ts'
import { Pool } from './pool.ts'
import { Service } from './serve.ts'
import { siteNotices } from './site-notices.ts'
import { TIMEOUTS_MS } from './timeouts.ts'

const program = await beginProgram<RemoteSettings>()
const now = () => performance.now()
const pool = new Pool(now)
const notice = siteNotices(now, (value) => connection.notice(value))

function worldOf(settings: RemoteSettings): World {
  return {
    hostname: settings.hostname,
    resolver: openResolver({ servers: settings.dns.servers }),
    dial,
    pool,
    own: () => ownAddresses(interfaceAddresses(), settings.hostname),
    timeouts: TIMEOUTS_MS,
    random: () => randomInt(0x1_0000_0000) / 0x1_0000_0000,
    now,
    notice,
  }
}

const service = new Service(worldOf(program.beginning.settings), program.log)
const connection = connectionToQueue('remote', {
  self: { release: program.beginning.release, program: 'remote' },
  onOpen: service.accept,
  onHello: () => program.ready(),
  onLost: () => process.exit(0),
})
program.handle({
  onSettings: (settings) => {
    service.world = worldOf(settings)
  },
  onFinish: (withinSeconds) => {
    setTimeout(() => process.exit(0), withinSeconds * 1_000)
    void service.finish().then(() => {
      pool.close()
      // The queue hears every outcome before the connection ends.
      setTimeout(() => process.exit(0), 100)
    })
  },
})
