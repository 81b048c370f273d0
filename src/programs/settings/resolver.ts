/**
 * The name servers of this host, where the settings name none: those of /etc/resolv.conf.
 *
 * As the system's own resolver does: at most three, and the local host if none is named.
 */

import { isIP } from 'node:net'
import type { Settings } from '../../contracts/settings.ts'

type Servers = Settings['dns']['servers']

export const RESOLVER_FILE = '/etc/resolv.conf'
const MOST_SERVERS = 3
const PORT = 53

export function parseResolverFile(text: string): Servers {
  const hosts = text
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S{1,100})/.exec(line)?.[1] ?? '')
    .filter((host) => isIP(host) !== 0)
    .slice(0, MOST_SERVERS)
  return (hosts.length > 0 ? hosts : ['127.0.0.1']).map((host) => ({ host, port: PORT }))
}
