/**
 * The one table of settings: name, syntax, initial value and meaning of everything that can stand in
 * `postern.toml`. docs/settings.md, docs/limits.md and the JSON Schema are made of it
 * (scripts/docs.ts), and reading a file means asking it.
 *
 * To add a setting: its type in settings.ts, its row here; the compiler asks for both.
 *
 * RFC 5321 section 4.5.3 (the least every limit must allow), section 4.5.4.1 (how long to retry).
 */

import { ok, refused } from '../protocol/result.ts'
import type { Domain, Limits, Retry, Route, Settings } from './settings.ts'
import type { Kind, Named, ReadingContext, Row } from './settings-rows.ts'
import {
  converted,
  listOf,
  named,
  optional,
  required,
  rowOf,
  section,
  setting,
  textKind,
  that,
  trueOrFalse,
  wholeNumber,
} from './settings-rows.ts'
import type { Parsed } from './settings-syntax.ts'
import {
  formatDuration,
  formatSize,
  parseAccount,
  parseAddressBlock,
  parseDeliver,
  parseDomain,
  parseDuration,
  parseEndpoint,
  parseHostname,
  parseLogTarget,
  parseMaildirTemplate,
  parsePath,
  parsePostmaster,
  parseResolver,
  parseRoute,
  parseRoutePattern,
  parseSize,
} from './settings-syntax.ts'

const DAY = 86_400
const MEGABYTE = 1_048_576

function duration(least: number, most: number): Kind<number> {
  const range = `from ${formatDuration(least)} to ${formatDuration(most)}`
  return that(
    textKind(`a duration ${range}`, parseDuration, {
      pattern: '^[0-9]{1,9} *[smhdw]$',
    }),
    (seconds) => (seconds < least || seconds > most ? `the duration must be ${range}` : undefined),
  )
}

function size(least: number, most: number): Kind<number> {
  const range = `from ${formatSize(least)} to ${formatSize(most)}`
  return that(
    textKind(`a size ${range}`, parseSize, {
      pattern: '^[0-9]{1,9} *([Bb]|[KkMmGg][Bb])$',
    }),
    (bytes) => (bytes < least || bytes > most ? `the size must be ${range}` : undefined),
  )
}

const path = textKind('a path', (text, { directory }) => parsePath(text, directory))
const account = textKind('an account name', parseAccount)
const MORE_THAN_ANYONE_NEEDS = 10_000

/** The domain as it is compared; U-labels become A-labels. */
function asciiDomain(text: string, context: ReadingContext): string {
  return /^[\0-\x7f]*$/.test(text) ? text : context.toAscii(text)
}

/** A list without repetitions, told apart by `keyOf`. */
function distinct<Value>(
  kind: Kind<readonly Value[]>,
  keyOf: (value: Value) => string,
): Kind<readonly Value[]> {
  return that(kind, (values) => {
    const keys = values.map(keyOf)
    const twice = keys.find((key, index) => keys.indexOf(key) < index)
    return twice === undefined ? undefined : `${twice} stands twice`
  })
}

/** Advises against a limit below what a standard demands. */
function atLeast(least: number, standard: string): (value: number) => string | undefined {
  return (value) => (value < least ? `${standard} asks for at least ${least}` : undefined)
}

const listen = section<Settings['listen']>('Where Postern listens.', {
  smtp: setting(
    distinct(
      listOf(textKind('an address and a port, as in `"127.0.0.1:25"`', parseEndpoint), 100),
      ({ host, port }) => (port === 0 ? '' : `${host} port ${port}`),
    ),
    {
      initial: ['0.0.0.0:25', '[::]:25'],
      meaning:
        'SMTP from other hosts. `0.0.0.0` and `[::]` stand for all addresses of this host; an empty list for no SMTP at all.',
    },
  ),
})

const paths = section<Settings['paths']>(
  'Directories. `postern setup` makes them, with the owners and modes they need.',
  {
    queue: setting(path, {
      initial: '/var/spool/postern/queue',
      meaning: 'The queue: envelopes and contents of every message that is under way.',
    }),
    drop: setting(path, {
      initial: '/var/spool/postern/drop',
      meaning: 'Where the `sendmail` command leaves messages of local users.',
    }),
    run: setting(path, {
      initial: '/run/postern',
      meaning: "The operators' sockets, the process id and the file `ready` while Postern runs.",
    }),
  },
)

const domainRow = converted(
  section<{ maildir: string | undefined; user: string | undefined; create: boolean }>(
    'A domain of ours. With nothing in its table its addresses are the accounts of this host; with `maildir` and `user` they are virtual mailboxes.',
    {
      maildir: optional(
        textKind('a path that holds `{local}`', (text, { directory }) =>
          parseMaildirTemplate(text, directory),
        ),
        'The Maildir of each address; `{local}` stands for its local part in lower case. A mailbox exists if its directory does.',
      ),
      user: optional(account, 'The account all these Maildirs belong to.'),
      create: setting(trueOrFalse, {
        initial: false,
        meaning: 'Whether any local part is taken, its Maildir being made when mail comes for it.',
      }),
    },
  ),
  ({ maildir, user, create }): Parsed<Domain> => {
    if (maildir !== undefined && user !== undefined) {
      return ok({ kind: 'mailboxes', maildir, user, create })
    }
    if (maildir !== undefined) {
      return refused('"user" is missing: the account that the Maildirs belong to')
    }
    if (user !== undefined || create) {
      return refused(
        '"maildir" is missing, as in "/srv/mail/{local}/"; "user" and "create" go with it',
      )
    }
    return ok({ kind: 'accounts' })
  },
)

const domains = converted(
  named({
    meaning: 'The domains this host receives mail for.',
    placeholder: '"DOMAIN"',
    initially: 'the `hostname` and `localhost`, whose addresses are the accounts of this host',
    parseName: (name, context) => parseDomain(asciiDomain(name, context)),
    row: domainRow,
    most: MORE_THAN_ANYONE_NEEDS * 10,
  }),
  (entries): Parsed<Settings['domains']> => ok(recordOf(entries)),
)

function recordOf<Value>(entries: readonly Named<Value>[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(entries.map(({ name, value }) => [name, value]))
}

const local = section<Settings['local']>('Mail for the accounts of this host.', {
  deliver: setting(
    textKind('a name in the home, or `"/var/mail/{account}"`', (text) => parseDeliver(text)),
    {
      initial: 'Maildir/',
      meaning:
        'The mailbox: ending in `/` a Maildir in the home, otherwise an mbox file there; `"/var/mail/{account}"` is the mail spool.',
    },
  ),
  postmaster: setting(
    textKind('an account or an address', (text, context) => {
      const at = text.lastIndexOf('@') + 1
      return parsePostmaster(`${text.slice(0, at)}${asciiDomain(text.slice(at), context)}`)
    }),
    {
      initial: 'postmaster',
      meaning:
        'Who gets mail to postmaster and to root, and reports that could not be returned to anybody. Name the account of a person: without it, root’s mail is refused.',
    },
  ),
  systemAccounts: setting(listOf(account, 1_000), {
    initial: [],
    meaning: 'Accounts with a uid below 1000 that may have mail all the same.',
  }),
})

const relay = section<Settings['relay']>('Who may send mail through this host to anyone.', {
  from: setting(
    distinct(
      listOf(textKind('a block of addresses, as in `"10.1.0.0/16"`', parseAddressBlock), 10_000),
      ({ address, prefix }) => `${address}/${prefix}`,
    ),
    {
      initial: ['127.0.0.0/8', '::1'],
      meaning:
        'Clients at these addresses. Everyone else may send to the domains of this host only.',
    },
  ),
})

const routes = converted(
  named({
    meaning:
      'Where mail for other domains goes, by domain (`"example.org"`), all below one (`".example.org"`) or all others (`"*"`). The most specific decides.',
    placeholder: '"PATTERN"',
    initially: 'none: the MX hosts of the domain',
    parseName: (name, context) => {
      const dot = name.startsWith('.') ? '.' : ''
      return parseRoutePattern(`${dot}${asciiDomain(name.slice(dot.length), context)}`)
    },
    row: rowOf(
      textKind('`"smtp://HOST:PORT"`, `"mx"` or `"maildir:/PATH/?user=ACCOUNT"`', (text, context) =>
        parseRoute(
          text.replace(
            /^(smtp:\/\/)(.*)$/s,
            (_, scheme: string, rest: string) => `${scheme}${asciiDomain(rest, context)}`,
          ),
          context.directory,
        ),
      ),
      'To that host; to the MX hosts of the domain; or caught in a Maildir of this host, and sent nowhere.',
    ),
    most: MORE_THAN_ANYONE_NEEDS * 10,
  }),
  (entries): Parsed<readonly Route[]> =>
    ok(entries.map(({ name, value }) => ({ pattern: name, ...value }))),
)

const dns = section<Settings['dns']>('How names are looked up.', {
  servers: setting(
    listOf(textKind('the address of a name server, as in `"127.0.0.1:5353"`', parseResolver), 10),
    { initial: [], meaning: 'The name servers; none means those of /etc/resolv.conf.' },
  ),
})

const limits = section<Limits>('A limit on everything that others can make grow.', {
  messageSize: setting(size(1_024, 2_000 * MEGABYTE), {
    initial: '50MB',
    meaning: 'Size of one message, announced by SIZE (RFC 1870).',
    advise: atLeast(65_536, 'RFC 5321 section 4.5.3.1.7'),
  }),
  recipientsPerMessage: setting(wholeNumber(1, 100_000), {
    initial: 1_000,
    meaning: 'Recipients of one SMTP transaction.',
    advise: atLeast(100, 'RFC 5321 section 4.5.3.1.8'),
  }),
  sessions: setting(wholeNumber(1, 10_000), {
    initial: 200,
    meaning: 'Open SMTP sessions in one receiver.',
  }),
  sessionsPerClient: setting(wholeNumber(1, 10_000), {
    initial: 20,
    meaning: 'Open SMTP sessions of one client in one receiver.',
  }),
  sessionIdle: setting(duration(1, 3_600), {
    initial: '5m',
    meaning: 'How long a client may be silent.',
    advise: atLeast(300, 'RFC 5321 section 4.5.3.2.7'),
  }),
  sessionErrors: setting(wholeNumber(1, 10_000), {
    initial: 20,
    meaning: 'Wrong commands and refused recipients before a session is ended.',
  }),
  hops: setting(wholeNumber(5, 1_000), {
    initial: 100,
    meaning: 'Hosts a message may have passed before it is taken to be looping.',
    advise: atLeast(100, 'RFC 5321 section 6.3'),
  }),
  receivers: setting(wholeNumber(1, 64), {
    initial: 2,
    meaning: 'Processes that speak SMTP with clients.',
  }),
  remotes: setting(wholeNumber(1, 64), {
    initial: 1,
    meaning: 'Processes that speak SMTP with other hosts.',
  }),
  localDeliveries: setting(wholeNumber(1, 1_000), {
    initial: 20,
    meaning: 'Deliveries to mailboxes of this host at once.',
  }),
  deliveriesPerSite: setting(wholeNumber(1, 1_000), {
    initial: 20,
    meaning: 'Deliveries to one other site at once.',
  }),
  deliveries: setting(wholeNumber(1, 10_000), {
    initial: 200,
    meaning: 'Deliveries to other hosts at once.',
  }),
  agents: setting(wholeNumber(1, 1_000), {
    initial: 50,
    meaning: 'Local agents alive at once, one for each account that has just had mail.',
  }),
  agentIdle: setting(duration(1, 3_600), {
    initial: '60s',
    meaning: 'How long a local agent without work is kept.',
  }),
  diskFree: setting(size(0, 2_000 * MEGABYTE), {
    initial: '64MB',
    meaning: "What must stay free on the queue's disk; below, new mail is deferred.",
  }),
  finishWithin: setting(duration(0, DAY), {
    initial: '30s',
    meaning: 'How long running deliveries may take when Postern stops.',
  }),
  dropFilesPerUser: setting(wholeNumber(1, 1_000_000), {
    initial: 1_000,
    meaning: 'Files of one user in the drop directory beyond which that user is served last.',
  }),
})

const retry = section<Retry>('When mail that could not be delivered is tried again.', {
  lifetime: setting(duration(0, 100 * DAY), {
    initial: '7d',
    meaning: 'How long a message is tried before it is returned.',
    advise: (seconds) =>
      seconds < 4 * DAY
        ? 'RFC 5321 section 4.5.4.1 asks for at least four or five days'
        : undefined,
  }),
  localSpacing: setting(wholeNumber(1, 1_000), {
    initial: 10,
    meaning:
      'For mailboxes of this host: the nth retry is due when the message is (n × spacing)² seconds old.',
  }),
  remoteSpacing: setting(wholeNumber(1, 1_000), {
    initial: 20,
    meaning: 'The same for other hosts.',
  }),
  schedule: setting(
    that(listOf(duration(1, 100 * DAY), 100), (delays) =>
      delays.every((delay, index) => index === 0 || delay > (delays[index - 1] ?? 0))
        ? undefined
        : 'each delay counts from the arrival of the message, so each must be longer than the one before',
    ),
    {
      initial: [],
      meaning:
        'Ages of the message at which it is tried again, as in `["10m", "1h", "6h"]`, instead of the squares; the last distance is kept up.',
    },
  ),
})

const log = section<Settings['log']>('What is told, and where.', {
  to: setting(
    textKind('`"stderr"`, `"syslog"` or a path', (text, { directory }) =>
      parseLogTarget(text, directory),
    ),
    { initial: 'stderr', meaning: 'Where the log goes; a file is opened anew on HUP.' },
  ),
  format: setting(
    textKind('`"text"` or `"json"`', (text) =>
      text === 'text' || text === 'json' ? ok(text) : refused('write "text" or "json"'),
    ),
    { initial: 'text', meaning: 'A line for people, or an object for machines.' },
  ),
  keepEvents: setting(duration(0, 3_650 * DAY), {
    initial: '30d',
    meaning: 'How long the story of a message is kept after it has left.',
  }),
})

/** The whole file. */
export const SETTINGS: Row<Settings> = converted(
  section<Settings>('The configuration of Postern.', {
    hostname: required(
      textKind('a full host name', (text, context) => parseHostname(asciiDomain(text, context))),
      {
        standIn: 'unnamed.invalid',
        meaning:
          'The full name of this host, as the DNS knows it: in greetings, Received fields and reports.',
        missing: '"hostname" is missing: the full name of this host, as in "mail.example.org"',
      },
    ),
    listen,
    paths,
    domains,
    local,
    relay,
    routes,
    dns,
    limits,
    retry,
    log,
  }),
  (settings) => ok(withOwnDomain(settings)),
)

/** Where the file names no domain: this host's own. */
function withOwnDomain(settings: Settings): Settings {
  if (Object.keys(settings.domains).length > 0) return settings
  const accounts = { kind: 'accounts' } as const
  return { ...settings, domains: { [settings.hostname]: accounts, localhost: accounts } }
}
