/**
 * Postfix from Debian's package, beside the system's own: its own queue, one port, twenty virtual
 * mailboxes; all settings that decide about durability as the package has them.
 */

import { execFileSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Peer } from './peer.ts'

const POSTFIX_DOMAIN = 'bench.test'
const USERS = 20

export async function startPostfix(directory: string, port: number): Promise<Peer> {
  const etc = join(directory, 'etc')
  const mail = join(directory, 'mail')
  const data = join(directory, 'data')
  for (const path of [etc, mail, data, join(directory, 'queue')])
    mkdirSync(path, { recursive: true })
  const [uid, gid] = idsOf('postfix')
  chownSync(data, uid, gid)
  chownSync(mail, 65_534, 65_534)
  cpSync('/usr/share/postfix/master.cf.dist', join(etc, 'master.cf'))
  const master = readFileSync(join(etc, 'master.cf'), 'utf8')
    .replaceAll(/^(smtp|submission|smtps|submissions)\s+inet.*$/gm, '')
    .replaceAll(/^(\S+\s+(?:inet|unix)\s+\S+\s+\S+\s+)y(\s)/gm, '$1n$2')
  const service = `127.0.0.1:${port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n`
  writeFileSync(join(etc, 'master.cf'), `${master.replaceAll(/^postlog.*$/gm, '')}\n${service}`)
  const boxes = Array.from(
    { length: USERS },
    (_, user) => `user${user}@${POSTFIX_DOMAIN} user${user}/`,
  )
  writeFileSync(join(etc, 'boxes'), `${boxes.join('\n')}\n`)
  writeFileSync(join(etc, 'main.cf'), mainCf(directory))
  execFileSync('postfix', ['-c', etc, 'start'], { stdio: 'ignore' })
  const pidFile = join(directory, 'queue/pid/master.pid')
  for (let tries = 0; !existsSync(pidFile); tries += 1) {
    if (tries > 200) throw new Error('Postfix did not start')
    await after(50)
  }
  return {
    name: 'Postfix',
    port,
    domain: POSTFIX_DOMAIN,
    mail,
    pid: Number(readFileSync(pidFile, 'utf8').trim()),
    stop: async () => {
      execFileSync('postfix', ['-c', etc, 'stop'], { stdio: 'ignore' })
      await after(500)
    },
  }
}

function mainCf(directory: string): string {
  return `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = ${directory}/log
maillog_file_prefixes = ${directory}
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = ${POSTFIX_DOMAIN}
virtual_mailbox_base = ${directory}/mail
virtual_mailbox_maps = texthash:${directory}/etc/boxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
`
}

function idsOf(account: string): readonly [number, number] {
  const fields = execFileSync('getent', ['passwd', account], { encoding: 'utf8' }).split(':')
  return [Number(fields[2]), Number(fields[3])]
}
