/**
 * A real DNS server for tests: Knot from Debian's package, with zones given as text, on a loopback port.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, untilListening } from './loopback.ts'

export interface Knot {
  readonly port: number
  stop(): Promise<void>
}

/** Records by zone. A zone without records is one that could not be loaded: its names get SERVFAIL. */
export async function startKnot(
  directory: string,
  zones: Readonly<Record<string, string | undefined>>,
): Promise<Knot> {
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  for (const [domain, records] of Object.entries(zones)) {
    if (records !== undefined)
      writeFileSync(join(directory, `${domain}.zone`), zone(domain, records))
  }
  const configuration = join(directory, 'knot.conf')
  writeFileSync(configuration, configure(directory, port, Object.keys(zones)))
  const child = spawn('/usr/sbin/knotd', ['-c', configuration], { stdio: 'ignore' })
  await untilListening('127.0.0.1', port)
  return {
    port,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function zone(domain: string, records: string): string {
  return `$ORIGIN ${domain}.
$TTL 60
@  SOA ns root 1 3600 600 86400 30
@  NS  ns
ns A   127.0.0.1
${records}
`
}

function configure(directory: string, port: number, domains: readonly string[]): string {
  const entries = domains.map(
    (domain) => `  - domain: ${domain}
    file: ${directory}/${domain}.zone
    zonefile-load: whole
`,
  )
  return `server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
database:
  storage: ${directory}
zone:
${entries.join('')}`
}
