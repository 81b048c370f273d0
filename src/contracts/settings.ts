/**
 * What the settings program makes of `postern.toml`: every setting, checked, with its initial value
 * filled in. Programs read settings in this form only, each its own part.
 *
 * The table of names, syntax, initial values and meanings is settings-table.ts, in this folder.
 */

/** An address to listen on. Port 0 lets the system choose, for tests. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** As written, for the log. */
  readonly name: string
}

/** A block of addresses, RFC 4632 and RFC 4291 section 2.3: `10.1.0.0/16`, `2001:db8::/32`. */
export interface AddressBlock {
  readonly address: string
  readonly family: 4 | 6
  readonly prefix: number
}

export type Domain =
  /** Accounts of this host. */
  | { readonly kind: 'accounts' }
  /** Virtual mailboxes: `maildir` holds `{local}`; all of them belong to `user`. */
  | {
      readonly kind: 'mailboxes'
      readonly maildir: string
      readonly user: string
      readonly create: boolean
    }

/** Where a route leads. `pattern` is a domain, `.suffix` or `*`. */
export type Route =
  | { readonly pattern: string; readonly to: 'mx' }
  | { readonly pattern: string; readonly to: 'host'; readonly host: string; readonly port: number }
  /** Caught in one Maildir of this host and sent nowhere: for trying things out. */
  | {
      readonly pattern: string
      readonly to: 'maildir'
      readonly maildir: string
      readonly user: string
    }

export interface Limits {
  /** Bytes of one message, as announced by SIZE (RFC 1870). */
  readonly messageSize: number
  readonly recipientsPerMessage: number
  /** Open SMTP sessions in one receiver. */
  readonly sessions: number
  /** Open SMTP sessions of one client address in one receiver. */
  readonly sessionsPerClient: number
  /** Seconds a client may be silent (RFC 5321 section 4.5.3.2.7 asks for five minutes). */
  readonly sessionIdle: number
  /** Bad commands and refused recipients before a session is ended. */
  readonly sessionErrors: number
  /** Received and Delivered-To fields before a message is taken to be looping. */
  readonly hops: number
  readonly receivers: number
  readonly remotes: number
  readonly localDeliveries: number
  readonly deliveriesPerSite: number
  readonly deliveries: number
  /** Agents alive at once. */
  readonly agents: number
  /** Seconds an idle agent is kept. */
  readonly agentIdle: number
  /** Bytes that must stay free on the queue's disk; below, new mail is deferred. */
  readonly diskFree: number
  /** Seconds running work may take after TERM. */
  readonly finishWithin: number
  /** Files of one user in the drop directory beyond which it is served last. */
  readonly dropFilesPerUser: number
}

export interface Retry {
  /** Seconds a message is tried before it is returned. */
  readonly lifetime: number
  /** Spacing of the quadratic schedule (seconds, square root of the first delay). */
  readonly localSpacing: number
  readonly remoteSpacing: number
  /** Delays in seconds from the message's arrival instead of the quadratic schedule; may be empty. */
  readonly schedule: readonly number[]
}

export interface Settings {
  readonly hostname: string
  readonly listen: { readonly smtp: readonly Endpoint[] }
  readonly paths: { readonly queue: string; readonly drop: string; readonly run: string }
  /** By lower-case ASCII domain. */
  readonly domains: Readonly<Record<string, Domain>>
  readonly local: {
    /** `Maildir/`, an mbox name in the home, or `/var/mail/{account}`. */
    readonly deliver: string
    /** Who gets mail to postmaster and root, and all double bounces. */
    readonly postmaster: string
    /** System accounts (uid below 1000) that may have mail all the same. */
    readonly systemAccounts: readonly string[]
  }
  readonly relay: { readonly from: readonly AddressBlock[] }
  /** In the order of the file; the most specific pattern decides, not the order. */
  readonly routes: readonly Route[]
  readonly dns: { readonly servers: readonly { readonly host: string; readonly port: number }[] }
  readonly limits: Limits
  readonly retry: Retry
  readonly log: {
    readonly to:
      | { readonly kind: 'stderr' }
      | { readonly kind: 'syslog' }
      | { readonly kind: 'file'; readonly path: string }
    readonly format: 'text' | 'json'
    /** Seconds the events of a message are kept after it has left. */
    readonly keepEvents: number
  }
}

/** Something wrong in the configuration, and where. Line and column begin at 1. */
export interface SettingProblem {
  readonly line: number
  readonly column: number
  /** `limits.sessions`; empty for a syntax error. */
  readonly setting: string
  readonly message: string
}

/** The groups of virtual mailboxes an agent can be asked for: by key, their root and owner. */
export interface MailboxGroup {
  /** The fixed part of the Maildir path, before `{local}`: all the agent may touch. */
  readonly root: string
  readonly user: string
}

export interface LauncherSettings {
  readonly hostname: string
  readonly mailboxGroups: Readonly<Record<string, MailboxGroup>>
  readonly systemAccounts: readonly string[]
  /** `/var/mail` where `local.deliver` is there; otherwise absent. */
  readonly spool?: string
  readonly agents: number
  readonly log: Settings['log']
}

/** What each program is given of the settings: its part, and no more. */
export type ReceiverSettings = Pick<
  Settings,
  'hostname' | 'domains' | 'routes' | 'local' | 'relay' | 'limits' | 'log'
>
export type QueueSettings = Pick<
  Settings,
  'hostname' | 'paths' | 'domains' | 'routes' | 'local' | 'limits' | 'retry' | 'log'
>
export type PickupSettings = Pick<Settings, 'hostname' | 'paths' | 'limits' | 'log'>
export type RemoteSettings = Pick<Settings, 'hostname' | 'domains' | 'dns' | 'limits' | 'log'>
export type ConsoleSettings = Pick<Settings, 'hostname' | 'limits' | 'log'>
