/**
 * Supervisor ↔ every program it starts.
 *
 * Descriptors of a program, in this order:
 *
 *     0     /dev/null
 *     1, 2  the log: lines of text, relayed by the supervisor
 *     3     Orders, JSON lines from the supervisor; its end means: leave now
 *     4     Statuses, JSON lines to the supervisor
 *     5     the connection to the queue; for queue and launcher instead Node's IPC channel
 *     6 …   bound, not yet listening sockets, named in the first order
 *
 * The launcher's connection to the queue is made like everyone's (descriptor 6). Queue and launcher
 * alone have an IPC channel, to send and receive descriptors; what is said there are Handovers.
 */

import { ok } from '../protocol/result.ts'
import type { Endpoint, SettingProblem, Settings } from './settings.ts'
import type { Shape } from './shape.ts'
import { integer, list, oneOf, optional, record, text, union } from './shape.ts'

export const FD = {
  orders: 3,
  statuses: 4,
  connection: 5,
  ipc: 5,
  launcherConnection: 6,
  sockets: 6,
} as const

export const PROGRAM_NAMES = [
  'queue',
  'launcher',
  'receiver',
  'pickup',
  'remote',
  'console',
] as const
/** The programs that are started once and live on; agents and the settings program are not. */
export type ProgramName = (typeof PROGRAM_NAMES)[number]

/** A listening socket: its descriptor, and what it is for. */
export interface Door {
  readonly fd: number
  readonly kind: 'smtp' | 'operators' | 'everyone'
  /** What the administrator wrote: `127.0.0.1:25`, or a path. */
  readonly name: string
}

/** From root to its children: trusted, so these have no decoder. */
export type Order =
  | {
      readonly order: 'begin'
      readonly release: string
      readonly program: ProgramName
      /** Tells several processes of one program apart: 0, 1, … */
      readonly index: number
      /** True as root: every program and agent has its own uid. */
      readonly separated: boolean
      readonly settings: unknown
      readonly doors: readonly Door[]
    }
  | { readonly order: 'settings'; readonly settings: unknown }
  /** Take nothing new, finish what runs within the limit, then exit. */
  | { readonly order: 'finish'; readonly withinSeconds: number }

/** From a child, which may lie: `ready` counts once, `cannot` tells why the program gives up. */
export type Status =
  | { readonly status: 'ready' }
  | { readonly status: 'cannot'; readonly why: string }
export const status: Shape<Status> = union('status', {
  ready: record({}),
  cannot: record({ why: text(500) }),
})
export const LONGEST_STATUS_LINE = 1_024

/** Said on the IPC channels, with a connected socket. */
export type Handover =
  /** Supervisor → queue: a new connection to a partner program. The queue speaks first on it. */
  | { readonly handover: 'partner'; readonly program: ProgramName; readonly index: number }
  /** Launcher → supervisor → queue: the agent asked for with this token. The queue speaks first. */
  | { readonly handover: 'agent'; readonly token: number }
export const handover: Shape<Handover> = union('handover', {
  partner: record({ program: oneOf(...PROGRAM_NAMES), index: integer(0, 1_000) }),
  agent: record({ token: integer(1, Number.MAX_SAFE_INTEGER) }),
})

/** The first frame (`hello`) on every connection, each way. */
export interface Hello {
  readonly release: string
  readonly program: string
}
export const hello: Shape<Hello> = record({ release: text(100), program: text(40) })

/** What the launcher gives an agent in its argument list, as JSON. */
export interface AgentSettings {
  readonly release: string
  /** The account's home, or the root of the virtual mailboxes. Relative mailboxes start here. */
  readonly home: string
  /** For Maildir names and From_ lines. */
  readonly hostname: string
  /** Where the dot-locked mbox of a `spool` agent lies; absent for others. */
  readonly spool?: string
}
export const agentSettings: Shape<AgentSettings> = record({
  release: text(100),
  home: text(4_096),
  hostname: text(300),
  spool: optional(text(4_096)),
})

/** Names of the console's sockets in the directory `paths.run`. */
export const DOOR_FILES = { operators: 'operators.sock', everyone: 'public.sock' } as const

/** What the supervisor itself must know of the settings; all else it hands on unread. */
export interface SupervisorSettings {
  readonly smtp: readonly Endpoint[]
  readonly paths: Settings['paths']
  readonly receivers: number
  readonly remotes: number
  readonly log: Settings['log']
  readonly finishWithin: number
}

/** What the settings program answers on its descriptor 1, one JSON text, and then ends. */
export type SettingsAnswer =
  | {
      readonly kind: 'settings'
      readonly supervisor: SupervisorSettings
      readonly parts: Readonly<Record<ProgramName, unknown>>
      /** Legal, yet probably not meant. */
      readonly warnings: readonly SettingProblem[]
    }
  | { readonly kind: 'problems'; readonly problems: readonly SettingProblem[] }

/** Longest configuration text, and longest answer the supervisor will read. */
export const LONGEST_CONFIGURATION = 4_194_304
export const LONGEST_SETTINGS_ANSWER = 16_777_216

const anything: Shape<unknown> = (input) => ok(input)
const path = text(1_024)
const endpoint: Shape<Endpoint> = record({
  host: text(100),
  port: integer(0, 65_535),
  name: text(200),
})
const logTarget: Shape<Settings['log']['to']> = union('kind', {
  stderr: record({}),
  syslog: record({}),
  file: record({ path }),
})
const settingProblem: Shape<SettingProblem> = record({
  line: integer(0, 10_000_000),
  column: integer(0, 10_000_000),
  setting: text(1_000),
  message: text(2_000),
})
export const settingsAnswer: Shape<SettingsAnswer> = union('kind', {
  settings: record({
    supervisor: record({
      smtp: list(endpoint, 100),
      paths: record({ queue: path, drop: path, run: path }),
      receivers: integer(1, 64),
      remotes: integer(1, 64),
      log: record({
        to: logTarget,
        format: oneOf('text', 'json'),
        keepEvents: integer(0, Number.MAX_SAFE_INTEGER),
      }),
      finishWithin: integer(0, 86_400),
    }),
    parts: record({
      queue: anything,
      launcher: anything,
      receiver: anything,
      pickup: anything,
      remote: anything,
      console: anything,
    }),
    warnings: list(settingProblem, 1_000),
  }),
  problems: record({ problems: list(settingProblem, 1_000) }),
})
