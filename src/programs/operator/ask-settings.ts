/**
 * Has a configuration file turned into settings, by the settings program.
 *
 * Root reads the file as bytes and does not look into it. The program runs under its own account where
 * the release is one that root made; in a checkout, which that account may be unable to read, as the caller.
 */

import { dirname, resolve } from 'node:path'
import { PROGRAMS, permissionFlags } from '../../contracts/programs.ts'
import type { SettingsAnswer } from '../../contracts/supervision.ts'
import {
  LONGEST_CONFIGURATION,
  LONGEST_SETTINGS_ANSWER,
  settingsAnswer,
} from '../../contracts/supervision.ts'
import type { CommandAnswer, Identity } from '../../io/child.ts'
import { parseJson, readBounded, runCommand } from '../../io/child.ts'
import { lookUpAccount } from '../../io/privilege.ts'
import { demandRootsOwn } from '../../io/release.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'
import type { Trouble } from './ask.ts'
import { CODE_DIRECTORY, programFile } from './code.ts'

const LIMIT_SECONDS = 30
const EX_NOINPUT = 66
const EX_SOFTWARE = 70

export async function askSettings(file: string): Promise<Result<SettingsAnswer, Trouble>> {
  const input = read(file)
  if (!input.ok) return input
  const decoded = decode(await run(input.value, dirname(resolve(file))))
  return decoded.ok
    ? decoded
    : refused({
        exitCode: EX_SOFTWARE,
        text: `the settings program failed on ${file}: ${decoded.problem}`,
      })
}

function read(file: string): Result<Buffer, Trouble> {
  try {
    return ok(readBounded(file, LONGEST_CONFIGURATION))
  } catch (error) {
    const text = `the configuration cannot be read: ${(error as Error).message}`
    return refused({ exitCode: EX_NOINPUT, text })
  }
}

async function run(input: Buffer, directory: string): Promise<CommandAnswer> {
  const readable = ['/etc/resolv.conf']
  const flags = permissionFlags(PROGRAMS.settings, {
    code: CODE_DIRECTORY,
    readable,
    writable: [],
  })
  return runCommand({
    file: process.execPath,
    args: [...flags, programFile('settings'), directory],
    argv0: 'postern: settings',
    identity: await identityOfSettings(),
    input,
    longestAnswer: LONGEST_SETTINGS_ANSWER,
    limitSeconds: LIMIT_SECONDS,
  })
}

async function identityOfSettings(): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined
  try {
    demandRootsOwn(CODE_DIRECTORY)
  } catch {
    return undefined
  }
  const account = await lookUpAccount(PROGRAMS.settings.user)
  return account.kind === 'found' ? { uid: account.value.uid, gid: account.value.gid } : undefined
}

function decode({ output, errors }: CommandAnswer): Result<SettingsAnswer, string> {
  const decoded = settingsAnswer(parseJson(output))
  return decoded.ok ? decoded : refused(errors.trim() || decoded.problem)
}
