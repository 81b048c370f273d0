/**
 * Each program's part of the settings: what it needs, and no more.
 *
 * A program that meets strangers learns nothing it could tell them: the receiver does not know where
 * the queue lies, and nobody but the launcher knows whom mailboxes belong to.
 */

import { dirname } from 'node:path'
import type {
  ConsoleSettings,
  LauncherSettings,
  PickupSettings,
  QueueSettings,
  ReceiverSettings,
  RemoteSettings,
  Settings,
} from '../../contracts/settings.ts'
import type { SupervisorSettings } from '../../contracts/supervision.ts'
import { mailboxGroups } from '../../policy/routing.ts'

export interface Parts {
  readonly queue: QueueSettings
  readonly launcher: LauncherSettings
  readonly receiver: ReceiverSettings
  readonly pickup: PickupSettings
  readonly remote: RemoteSettings
  readonly console: ConsoleSettings
}

export function partsOf(settings: Settings): Parts {
  const { hostname, paths, domains, local, relay, routes, dns, limits, retry, log } = settings
  return {
    queue: { hostname, paths, domains, routes, local, limits, retry, log },
    launcher: launcherPart(settings),
    receiver: { hostname, domains, routes, local, relay, limits, log },
    pickup: { hostname, paths, limits, log },
    remote: { hostname, domains, dns, limits, log },
    console: { hostname, limits, log },
  }
}

function launcherPart(settings: Settings): LauncherSettings {
  const { deliver, systemAccounts } = settings.local
  const part: LauncherSettings = {
    hostname: settings.hostname,
    mailboxGroups: mailboxGroups(settings),
    systemAccounts,
    agents: settings.limits.agents,
    log: settings.log,
  }
  return deliver.startsWith('/') ? { ...part, spool: dirname(deliver) } : part
}

export function supervisorPart(settings: Settings): SupervisorSettings {
  const { receivers, remotes, finishWithin } = settings.limits
  const { paths, log } = settings
  return { smtp: settings.listen.smtp, paths, receivers, remotes, log, finishWithin }
}
