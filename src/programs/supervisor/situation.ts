/**
 * How this supervisor runs: from which release, and whether every program has its own uid.
 *
 * separated   as root: every program under its account, from a release of root's
 * otherwise   everything as the current user; as root only on loopback, to try things out
 */

import { realpathSync } from 'node:fs'
import { OPERATORS_GROUP, POSTERN_USERS } from '../../contracts/programs.ts'
import type { Identity } from '../../io/child.ts'
import type { DoorRule } from '../../io/doors.ts'
import { needAccounts, needGroup } from '../../io/privilege.ts'
import { demandRootsOwn, readRelease } from '../../io/release.ts'

export interface Situation extends DoorRule {
  readonly release: string
  /** The directory of the bundles. */
  readonly code: string
  readonly separated: boolean
  /** By account name; empty unless separated. */
  readonly identities: ReadonlyMap<string, Identity>
}

export async function findSituation(directory: string, single: boolean): Promise<Situation> {
  const code = realpathSync(directory)
  const asRoot = process.getuid?.() === 0
  const separated = asRoot && !single
  if (separated) demandRootsOwn(code)
  const identities = await needAccounts(separated ? POSTERN_USERS : [])
  const operatorsGid = separated ? await needGroup(OPERATORS_GROUP) : undefined
  const loopbackOnly = asRoot && single
  return { release: readRelease(code), code, separated, loopbackOnly, identities, operatorsGid }
}
