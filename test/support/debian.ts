/**
 * Real programs from Debian for tests against them: installed if need be, and only where that is proper.
 */

import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** dpkg's lock may be held by another test file for a while. */
const LOCK_SECONDS = 300

/**
 * Makes sure of these packages. Answers undefined when all are installed, otherwise the reason to pass the
 * test over, for `t.skip`. Installs only as root on Debian, and starts no service of what it installs.
 */
export async function needs(...packages: readonly string[]): Promise<string | undefined> {
  const missing: string[] = []
  for (const name of packages) if (!(await isInstalled(name))) missing.push(name)
  if (missing.length === 0) return undefined
  const list = missing.join(', ')
  if (!(await exists('/etc/debian_version'))) return `needs Debian's ${list}; this is not Debian`
  if (process.getuid?.() !== 0) return `needs Debian's ${list}; install them or run as root`
  return await install(missing)
}

async function install(missing: readonly string[]): Promise<string | undefined> {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const lock = ['-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`]
  const command = ['install', '-y', '-q', '--no-install-recommends', ...lock, ...missing]
  try {
    await run('apt-get', command, { env: environment })
    return undefined
  } catch {
    // The lists of packages may be old or absent.
  }
  try {
    await run('apt-get', ['update', '-q', ...lock], { env: environment })
    await run('apt-get', command, { env: environment })
    return undefined
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : 'failed'
    return `cannot install Debian's ${missing.join(', ')}: ${why}`
  }
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await run('dpkg-query', ['-W', '-f=${Status}', name])
    return stdout === 'install ok installed'
  } catch {
    return false
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
