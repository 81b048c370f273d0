/**
 * What one local agent knows and holds: its settings, and the things all its deliveries share.
 */

import { randomBytes } from 'node:crypto'
import type { AgentSettings } from '../../contracts/supervision.ts'
import { DirectorySync } from '../../io/directory-sync.ts'
import type { Disk } from '../../io/disk.ts'
import { DISK } from '../../io/disk.ts'
import { Turns } from './turns.ts'

export interface Agent {
  readonly settings: AgentSettings
  readonly disk: Disk
  readonly directories: DirectorySync
  /** One delivery at a time for each mbox file. */
  readonly turns: Turns
  /** Maildirs whose `tmp` this agent has already cleaned. */
  readonly cleaned: Set<string>
  readonly now: () => number
  /** Makes the parts of a file name that no two deliveries share. */
  readonly nextName: () => UniquePart
  readonly lockWaitMilliseconds: number
}

export interface UniquePart {
  readonly microseconds: number
  readonly pid: number
  readonly count: number
  readonly random: string
}

const LOCK_WAIT_MILLISECONDS = 30_000

export function makeAgent(settings: AgentSettings, parts: Partial<Agent> = {}): Agent {
  const disk = parts.disk ?? DISK
  let count = 0
  return {
    settings,
    disk,
    directories: new DirectorySync(disk),
    turns: new Turns(),
    cleaned: new Set(),
    now: () => Date.now(),
    nextName: () => ({
      microseconds: Math.floor((performance.timeOrigin + performance.now()) * 1_000),
      pid: process.pid,
      count: (count += 1),
      random: randomBytes(4).toString('hex'),
    }),
    lockWaitMilliseconds: LOCK_WAIT_MILLISECONDS,
    ...parts,
  }
}
