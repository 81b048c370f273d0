/**
 * `postern setup`, as root: accounts, a release that root owns, a first configuration, directories, commands
 * and a service, each made only where it is missing or wrong.
 *
 * Nothing of another mailer is touched: where a `sendmail` of somebody else's stands, it stays, and
 * that is said.
 */

import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readRelease } from '../../io/release.ts'
import { accountSteps, idsOf, run } from './accounts.ts'
import { askSettings } from './ask-settings.ts'
import { formatProblem } from './check.ts'
import { BUNDLES } from './code.ts'
import { exampleConfiguration, findHostname, systemdUnit } from './example.ts'
import { fail, print } from './print.ts'
import {
  copyFiles,
  filesOfRelease,
  hasFiles,
  holds,
  isForeign,
  leadsTo,
  makeDirectories,
  turnOver,
  writeWhole,
} from './release.ts'
import type { Step } from './steps.ts'
import { take } from './steps.ts'

export interface SetupOptions {
  readonly config: string
  readonly prefix: string
  readonly root: string
  readonly links: boolean
  readonly service: boolean
  readonly dryRun?: boolean
}

interface Paths {
  readonly queue: string
  readonly drop: string
  readonly run: string
}

const EX_NOPERM = 77
const INITIAL_PATHS: Paths = {
  queue: '/var/spool/postern/queue',
  drop: '/var/spool/postern/drop',
  run: '/run/postern',
}

export async function setup(options: SetupOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    const text = 'it makes accounts and directories of root: run it as root'
    return fail('postern setup', { exitCode: EX_NOPERM, text })
  }
  process.umask(0o022)
  try {
    await perform(accountSteps(), options)
    await perform([await configurationStep(options)], options)
    const paths = await readPaths(options)
    if (paths === undefined) return
    await perform(directorySteps(paths, options), options)
    await perform(releaseSteps(paths, options), options)
    if (options.links) await perform(linkSteps(options), options)
    if (options.service) await perform(serviceSteps(options), options)
    await print(whatNext(options))
  } catch (error) {
    fail('postern setup', { exitCode: 1, text: (error as Error).message })
  }
}

async function perform(steps: readonly Step[], options: SetupOptions): Promise<void> {
  for (const step of steps) {
    const result = await take(step, options.dryRun === true)
    await print(`${`${result}:`.padEnd(15)} ${step.what}\n`)
  }
}

/** Where something of the host's lies: below `--root`, if that is given. */
function at(options: SetupOptions, path: string): string {
  return options.root === '' ? path : join(options.root, path)
}

async function configurationStep(options: SetupOptions): Promise<Step> {
  const file = at(options, options.config)
  const host = await findHostname()
  return {
    what: `configuration ${file}`,
    isDone: () => existsSync(file),
    perform: () => writeWhole(file, exampleConfiguration(host)),
  }
}

/** Undefined if the configuration is wrong, which has been said. */
async function readPaths(options: SetupOptions): Promise<Paths | undefined> {
  const file = at(options, options.config)
  if (!existsSync(file)) return INITIAL_PATHS
  const answer = await askSettings(file)
  if (!answer.ok) {
    fail('postern setup', answer.problem)
    return undefined
  }
  if (answer.value.kind === 'settings') return answer.value.supervisor.paths
  const lines = answer.value.problems.map((problem) => formatProblem(file, problem))
  fail('postern setup', { exitCode: 1, text: lines.join('\n') })
  return undefined
}

function directorySteps(paths: Paths, options: SetupOptions): readonly Step[] {
  const step = (path: string, owner: string, mode: number) =>
    directoryStep(at(options, path), owner, mode)
  return [
    step(paths.queue, 'postern-queue', 0o700),
    step(paths.drop, 'postern-pickup', 0o3733),
    step(paths.run, 'root', 0o755),
  ]
}

function directoryStep(path: string, owner: string, mode: number): Step {
  const ids = async () => (owner === 'root' ? { uid: 0, gid: 0 } : idsOf(owner))
  return {
    what: `directory ${path}, owner ${owner}, mode ${mode.toString(8).padStart(4, '0')}`,
    isDone: async () => {
      const { uid, gid } = await ids()
      const found = statSync(path, { throwIfNoEntry: false })
      if (found !== undefined && !found.isDirectory()) throw new Error(`${path} is no directory`)
      return found?.uid === uid && found.gid === gid && (found.mode & 0o7777) === mode
    },
    perform: async () => {
      const { uid, gid } = await ids()
      makeDirectories(dirname(path))
      if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
      chownSync(path, uid, gid)
      chmodSync(path, mode)
    },
  }
}

function releaseSteps(paths: Paths, options: SetupOptions): readonly Step[] {
  const library = at(options, join(options.prefix, 'lib/postern'))
  const release = join('releases', readRelease(BUNDLES))
  const directory = join(library, release)
  const files = filesOfRelease()
  const hint = join(directory, 'drop-directory')
  const current = join(library, 'current')
  return [
    {
      what: `release ${directory}, ${files.length} files`,
      isDone: () => hasFiles(directory, files),
      perform: () => copyFiles(directory, files),
    },
    {
      what: `${hint}: where the sendmail command leaves messages`,
      isDone: () => holds(hint, `${paths.drop}\n`),
      perform: () => writeWhole(hint, `${paths.drop}\n`),
    },
    {
      what: `${current} leads to that release`,
      isDone: () => leadsTo(current, release),
      perform: () => turnOver(current, release),
    },
  ]
}

function linkSteps(options: SetupOptions): readonly Step[] {
  const library = join(options.prefix, 'lib/postern')
  const commands = ['bin/postern', 'bin/mailq', 'sbin/sendmail']
  return commands.map((command) => {
    const link = at(options, join(options.prefix, command))
    const target = join(library, 'current/bin', command.replace(/^s?bin\//, ''))
    const foreign = isForeign(link, library)
    return {
      what: foreign ? `${link} is somebody else's and stays` : `command ${link}`,
      isDone: () => foreign || leadsTo(link, target),
      perform: () => turnOver(link, target),
    }
  })
}

function serviceSteps(options: SetupOptions): readonly Step[] {
  const units = at(options, '/etc/systemd/system')
  if (!existsSync(units)) return []
  const unit = join(units, 'postern.service')
  const postern = join(options.prefix, 'lib/postern/current/bin/postern')
  const text = systemdUnit({ postern, config: options.config })
  const alive = options.root === '' && existsSync('/run/systemd/system')
  return [
    {
      what: `service ${unit}`,
      isDone: () => holds(unit, text),
      perform: async () => {
        writeWhole(unit, text)
        if (alive) await run('systemctl', ['daemon-reload'])
      },
    },
  ]
}

function whatNext(options: SetupOptions): string {
  const home = join(options.prefix, 'lib/postern/current')
  const postern = options.links ? 'postern' : join(home, 'bin/postern')
  const lines = [
    '',
    `Next: look at ${at(options, options.config)}, then`,
    `  ${postern} check --config ${options.config}`,
    `  ${postern} start --config ${options.config}     (in the foreground)`,
    ...(options.service ? ['  systemctl enable --now postern     (as a service)'] : []),
    'Members of the group "postern" may use "postern queue".',
    ...(options.links ? [sendmailAdvice(join(options.prefix, 'sbin/sendmail'))] : []),
  ]
  return `${lines.join('\n')}\n`
}

function sendmailAdvice(link: string): string {
  return `Programs that call /usr/sbin/sendmail reach Postern once that is a link to ${link}.`
}
