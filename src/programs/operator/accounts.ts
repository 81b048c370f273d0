/**
 * The accounts and groups of the trust table, made with the system's own tools.
 *
 * Each account has a group of its own name and nothing else: no home, no shell, no password.
 */

import { OPERATORS_GROUP, POSTERN_USERS } from '../../contracts/programs.ts'
import { runCommand } from '../../io/child.ts'
import { lookUpAccount, lookUpGroup } from '../../io/privilege.ts'
import type { Step } from './steps.ts'

const NOTHING_ELSE = '--no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin'.split(' ')
const LIMIT_SECONDS = 30
const LONGEST_ANSWER = 65_536

export function accountSteps(): readonly Step[] {
  return [
    groupStep(OPERATORS_GROUP),
    ...POSTERN_USERS.flatMap((user) => [groupStep(user), accountStep(user)]),
  ]
}

function groupStep(name: string): Step {
  return {
    what: `group ${name}`,
    isDone: async () => (await gidOf(name)) !== undefined,
    perform: () => run('groupadd', ['--system', name]),
  }
}

function accountStep(name: string): Step {
  return {
    what: `account ${name}`,
    isDone: async () => {
      const found = await lookUpAccount(name)
      if (found.kind === 'unsure') throw new Error(`account ${name}: ${found.because}`)
      if (found.kind === 'unknown') return false
      const gid = await gidOf(name)
      if (found.value.uid !== 0 && found.value.gid === gid) return true
      throw new Error(
        `account ${name} exists, but not with group ${name} and a uid of its own: remove or mend it, then run setup again`,
      )
    },
    perform: () =>
      run('useradd', ['--system', '--gid', name, ...NOTHING_ELSE, '--comment', 'Postern', name]),
  }
}

async function gidOf(name: string): Promise<number | undefined> {
  const found = await lookUpGroup(name)
  if (found.kind === 'unsure') throw new Error(`group ${name}: ${found.because}`)
  return found.kind === 'found' ? found.value : undefined
}

export async function idsOf(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const found = await lookUpAccount(name)
  if (found.kind === 'found') return found.value
  throw new Error(`account ${name}: ${found.kind === 'unsure' ? found.because : 'it is missing'}`)
}

export async function run(file: string, args: readonly string[]): Promise<void> {
  const answer = await runCommand({
    file,
    args,
    longestAnswer: LONGEST_ANSWER,
    limitSeconds: LIMIT_SECONDS,
  })
  if (answer.code !== 0) {
    throw new Error(
      `${file} ${args.join(' ')}: ${answer.errors.trim() || `exit code ${answer.code}`}`,
    )
  }
}
