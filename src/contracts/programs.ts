/**
 * The trust model on one screen: every program, who it runs as, and all it may touch.
 *
 * The supervisor and the launcher turn a row into a uid and Node's permission flags; a test holds the running
 * processes against it. The uid is the wall, the flags are a seat belt.
 *
 * A row's `reads` and `writes` are names of directories in the settings, resolved when it starts.
 */

/** `resolver` is the one file /etc/resolv.conf; all others are directories. */
export type Place = 'queue' | 'drop' | 'home' | 'maildirs' | 'spool' | 'resolver'

export interface Privileges {
  /** The account it runs as; `root`, or `recipient` for an agent. */
  readonly user: string
  /** A group beside the account's own; empty for all but the mail spool's agent. */
  readonly group?: string
  readonly reads: readonly Place[]
  readonly writes: readonly Place[]
  readonly network: boolean
  readonly children: boolean
  /**
   * May load native code (koffi): fsync, which Node refuses under its permission model whatever else is
   * allowed, and fcntl locks, which Node does not offer.
   */
  readonly addons: boolean
  /** `node:sqlite` opens files past the permission model, so all others run without it. */
  readonly sqlite: boolean
}

const nothing = {
  reads: [],
  writes: [],
  network: false,
  children: false,
  addons: false,
  sqlite: false,
} as const

export const PROGRAMS = {
  queue: {
    ...nothing,
    user: 'postern-queue',
    reads: ['queue'],
    writes: ['queue'],
    addons: true,
    sqlite: true,
  },
  launcher: { ...nothing, user: 'root', children: true },
  receiver: { ...nothing, user: 'postern-net', network: true },
  pickup: { ...nothing, user: 'postern-pickup', reads: ['drop'], writes: ['drop'] },
  remote: { ...nothing, user: 'postern-remote', network: true },
  console: { ...nothing, user: 'postern-console', network: true },
  settings: { ...nothing, user: 'postern-settings', reads: ['resolver'] },
  // The agents: started by the launcher, as the recipient.
  account: { ...nothing, user: 'recipient', reads: ['home'], writes: ['home'], addons: true },
  spool: {
    ...nothing,
    user: 'recipient',
    group: 'mail',
    reads: ['spool'],
    writes: ['spool'],
    addons: true,
  },
  mailboxes: {
    ...nothing,
    user: 'recipient',
    reads: ['maildirs'],
    writes: ['maildirs'],
    addons: true,
  },
} as const satisfies Record<string, Privileges>

export type AnyProgram = keyof typeof PROGRAMS

/** Every account that `postern setup` makes, each with a group of its own name. */
export const POSTERN_USERS: readonly string[] = [
  ...new Set(
    Object.values(PROGRAMS)
      .map((row) => row.user)
      .filter((user) => user.startsWith('postern-')),
  ),
]

/** Members may use the operators' door. */
export const OPERATORS_GROUP = 'postern'

/**
 * Node's command-line flags for a row. `readable` and `writable` are the directories its places
 * stand for, `code` the directory of the bundles, which everyone must read.
 */
export function permissionFlags(
  row: Privileges,
  paths: {
    readonly code: string
    readonly readable: readonly string[]
    readonly writable: readonly string[]
  },
): readonly string[] {
  return [
    '--permission',
    // Bytes of messages are short-lived: look for garbage often, so that little of it lies about.
    '--max-semi-space-size=1',
    '--disable-sigusr1',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    ...[paths.code, ...paths.readable, ...(row.addons ? nativeCode(paths.code) : [])].map(
      (path) => `--allow-fs-read=${path}`,
    ),
    ...paths.writable.map((path) => `--allow-fs-write=${path}`),
    ...(row.network ? ['--allow-net'] : []),
    ...(row.children ? ['--allow-child-process'] : []),
    ...(row.addons ? ['--allow-addons'] : []),
    ...(row.sqlite ? [] : ['--no-experimental-sqlite']),
  ]
}

/** koffi lies in `node_modules` beside the directory of the bundles, in a release and in a checkout. */
function nativeCode(code: string): readonly string[] {
  const parent = code.replace(/\/[^/]*$/, '')
  return ['koffi', '@koromix'].map((name) => `${parent}/node_modules/${name}/*`)
}
