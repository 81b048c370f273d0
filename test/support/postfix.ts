/**
 * Real Postfix for tests, beside the system's own: a configuration, queue and log of its own, SMTP on one
 * loopback address, virtual mailboxes in one domain, and a relayhost for all other mail.
 *
 * Needs root and Debian's package. Its smtp-sink is here as well.
 */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findUser } from './accounts.ts'
import { untilListening } from './loopback.ts'
import { until } from './postern.ts'

const run = promisify(execFile)
const NOBODY = 65_534
const USERS = ['user1', 'user2', 'user3']

export interface Postfix {
  /** Its Maildirs are below. */
  readonly mail: string
  readonly log: () => string
  stop(): Promise<void>
}

export interface PostfixOptions {
  readonly directory: string
  readonly address: string
  /** Its users are `USERS`; any other local part is refused. */
  readonly domain: string
  /** Where mail for all other domains goes. */
  readonly relayPort: number
}

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const { directory, address, domain } = options
  const [etc, mail, data, queue] = ['etc', 'mail', 'data', 'queue'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string]
  for (const path of [etc, mail, data, queue]) mkdirSync(path, { recursive: true })
  chmodSync(directory, 0o755)
  const { uid, gid } = findUser('postfix')
  chownSync(data, uid, gid)
  chownSync(mail, NOBODY, NOBODY)
  writeServices(etc, address)
  writeFileSync(join(etc, 'boxes'), USERS.map((user) => `${user}@${domain} ${user}/\n`).join(''))
  writeFileSync(join(etc, 'main.cf'), mainCf(options))
  await run('postfix', ['-c', etc, 'start'])
  await untilListening(address, 25)
  const log = join(directory, 'log')
  const pid = Number(readFileSync(join(queue, 'pid/master.pid'), 'utf8'))
  return {
    mail,
    log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    stop: async () => {
      await run('postfix', ['-c', etc, 'stop'])
      await until(() => !existsSync(`/proc/${pid}`), 20)
    },
  }
}

/** The package's services without chroot and without the usual ports. */
function writeServices(etc: string, address: string): void {
  const file = join(etc, 'master.cf')
  cpSync('/usr/share/postfix/master.cf.dist', file)
  const services = readFileSync(file, 'utf8')
    .replaceAll(/^(smtp|submission|smtps|submissions)\s+inet.*$/gm, '')
    .replaceAll(/^(\S+\s+(?:inet|unix)\s+\S+\s+\S+\s+)y(\s)/gm, '$1n$2')
    .replaceAll(/^postlog.*$/gm, '')
  const own = `${address}:25 inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n`
  writeFileSync(file, `${services}\n${own}`)
}

function mainCf({ directory, domain, relayPort }: PostfixOptions): string {
  return `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = ${directory}/log
maillog_file_prefixes = ${directory}
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
relayhost = [127.0.0.1]:${relayPort}
virtual_mailbox_domains = ${domain}
virtual_mailbox_base = ${directory}/mail
virtual_mailbox_maps = texthash:${directory}/etc/boxes
virtual_uid_maps = static:${NOBODY}
virtual_gid_maps = static:${NOBODY}
`
}

/** Postfix's sink on port 25: each transaction becomes a file in `directory`, with its envelope in front. */
export async function startSink(
  address: string,
  directory: string,
): Promise<{ readonly stop: () => Promise<void> }> {
  mkdirSync(directory, { recursive: true })
  const words = ['-u', 'root', '-d', join(directory, 'mail.'), `${address}:25`, '100']
  const child = spawn('/usr/sbin/smtp-sink', words, { stdio: 'ignore', cwd: directory })
  await untilListening(address, 25)
  return {
    stop: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
