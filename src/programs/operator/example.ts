/**
 * What `postern setup` writes where nothing is: a first configuration, and a unit for systemd.
 */

import { hostname } from 'node:os'
import { parseHostname } from '../../contracts/settings-syntax.ts'
import { runCommand } from '../../io/child.ts'

/** The full name of this host, or the example's where it cannot be found out. */
export async function findHostname(): Promise<{ readonly name: string; readonly known: boolean }> {
  const asked = await runCommand({
    file: 'hostname',
    args: ['-f'],
    longestAnswer: 1_000,
    limitSeconds: 5,
  })
  for (const candidate of [asked.output.toString().trim(), hostname()]) {
    const parsed = parseHostname(candidate)
    if (parsed.ok) return { name: parsed.value, known: true }
  }
  return { name: 'mail.example.org', known: false }
}

export function exampleConfiguration(host: {
  readonly name: string
  readonly known: boolean
}): string {
  const advice = host.known ? '' : '                # change this: the full name of this host'
  return `# The configuration of Postern. "postern check" reports every problem in it; "postern reload" takes it over.
# Everything that is not said here has an initial value that is right for a single host: docs/settings.md.

hostname = "${host.name}"${advice}

# Domains this host receives mail for. Its own name stays among them: cron and reports write to it.

[domains."${host.name}"]                             # addresses are accounts

# [domains."example.org"]                            # addresses are accounts
#
# [domains."shop.example"]                           # virtual mailboxes, all owned by one account
# maildir = "/srv/mail/shop.example/{local}/"
# user = "vmail"

[local]
deliver = "Maildir/"                                 # or "mbox", or "/var/mail/{account}"
# postmaster = "pat"                                 # a person: gets the mail of postmaster and root

[relay]
from = ["127.0.0.0/8", "::1"]                        # who may send mail through this host to anyone

# [routes]
# "*" = "smtp://smarthost.example:25"                # otherwise the MX hosts of each domain
`
}

export function systemdUnit(paths: { readonly postern: string; readonly config: string }): string {
  return `[Unit]
Description=Postern, a mail transfer agent
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
ExecStart=${paths.postern} start --config ${paths.config}
ExecReload=${paths.postern} reload --config ${paths.config}
# Time for running deliveries to finish: more than limits.finish_within.
TimeoutStopSec=90
KillMode=mixed
Restart=on-failure
RuntimeDirectory=postern
RuntimeDirectoryPreserve=yes
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`
}
