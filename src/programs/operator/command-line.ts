/**
 * The words of `postern`: its sub-commands, their options, and what each is for.
 */

import { Command, InvalidArgumentError } from 'commander'
import { addMailqCommand } from './mailq.ts'
import { addQueueCommands } from './queue.ts'
import { addStatusCommand } from './status.ts'

export const USUAL_CONFIGURATION = '/etc/postern/postern.toml'
const CONFIG = ['--config <file>', 'the configuration', USUAL_CONFIGURATION] as const

export function commandLine(): Command {
  const program = new Command('postern')
    .description('Postern, a mail transfer agent')
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
  addRunning(program)
  addStatusCommand(program)
  addQueueCommands(program)
  addMailqCommand(program)
  addSettingUp(program)
  return program
}

function addRunning(program: Command): void {
  program
    .command('start')
    .description('run in the foreground, as service managers like it, until TERM or INT')
    .option(...CONFIG)
    .option('--single', 'as root: run every program as root, on loopback only, to try things out')
    .action(async (options) => (await import('./start.ts')).start(options))
  program
    .command('check')
    .description(
      'every problem in the configuration, with line and column; exits 1 if there is one',
    )
    .option(...CONFIG)
    .option('--json', 'one JSON object')
    .action(async (options) => (await import('./check.ts')).check(options))
  program
    .command('reload')
    .description('take over a changed configuration without dropping a connection or a message')
    .option('--config <file>', 'the configuration')
    .action(async (options) => (await import('./stop.ts')).reload(options))
  program
    .command('stop')
    .description('finish running deliveries and stop; returns when Postern is gone')
    .option('--config <file>', 'the configuration of the Postern that is meant')
    .option('--run <directory>', 'its directory paths.run, should the configuration be broken')
    .action(async (options) => (await import('./stop.ts')).stop(options))
}

function addSettingUp(program: Command): void {
  program
    .command('setup')
    .description('as root: make the accounts, directories, release and service; says what it did')
    .option(...CONFIG)
    .option('--prefix <directory>', 'where the release and the commands go', '/usr/local')
    .option('--root <directory>', 'put everything below this directory, for packages and tests', '')
    .option('--no-links', 'make no commands in bin and sbin')
    .option('--no-service', 'make no unit for systemd')
    .option('--dry-run', 'say what would be done, and do nothing')
    .action(async (options) => (await import('./setup.ts')).setup(options))
  program
    .command('try')
    .description('the whole system as you, on a high port, in one directory, sending nothing out')
    .option(
      '--port <number>',
      'where to listen on 127.0.0.1; 0 lets the system choose',
      port,
      2_525,
    )
    .option('--directory <directory>', 'where everything lies', 'var')
    .option('--verbose', 'show the log')
    .action(async (options) => (await import('./try.ts')).tryOut(options))
}

function port(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= 65_535)) throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  return number
}
