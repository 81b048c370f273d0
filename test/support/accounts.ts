/**
 * Accounts for tests that run as root: Postern's own, which stay, and one user for a test, who goes.
 *
 * Made with the system's own tools, not with the product's `postern setup`.
 */

import { spawnSync } from 'node:child_process'
import { OPERATORS_GROUP, POSTERN_USERS } from '../../src/contracts/programs.ts'

/** Why tests with several accounts are passed over, or false. */
export const notRoot: string | false =
  process.getuid?.() === 0 ? false : 'needs root: every program runs under its own account'

export interface TestUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

function run(command: string, ...args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`)
  return done.stdout
}

function exists(database: 'passwd' | 'group', name: string): boolean {
  return spawnSync('getent', [database, name]).status === 0
}

export function makePosternAccounts(): void {
  if (!exists('group', OPERATORS_GROUP)) run('groupadd', '--system', OPERATORS_GROUP)
  for (const user of POSTERN_USERS) {
    if (!exists('group', user)) run('groupadd', '--system', user)
    if (exists('passwd', user)) continue
    const nothing = [
      '--home-dir',
      '/nonexistent',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
    ]
    run('useradd', '--system', '--gid', user, ...nothing, user)
  }
}

/**
 * A user with a home and a supplementary group, both of which a test may look for. Several are told apart
 * by a letter; `groups` in place of the operators' group.
 */
export function makeTestUser(letter = '', groups: string = OPERATORS_GROUP): TestUser {
  const name = `ptest${process.pid}${letter}`
  run('useradd', '--create-home', '--user-group', '--groups', groups, name)
  return findUser(name)
}

export function removeTestUser({ name }: TestUser): void {
  run('userdel', '--remove', name)
}

export function findUser(name: string): TestUser {
  const [, , uid, gid, , home = ''] = run('getent', 'passwd', name).split(':')
  return { name, uid: Number(uid), gid: Number(gid), home }
}

export function findGroup(name: string): number {
  return Number(run('getent', 'group', name).split(':')[2])
}
