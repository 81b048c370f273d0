/**
 * postern: the one command. Each sub-command is loaded when it is called (README.md).
 */

import { commandLine } from './command-line.ts'

try {
  await commandLine().parseAsync(process.argv)
} catch (error) {
  // A program of ours is wrong, or the system is: neither has an exit code of its own.
  const { message, code } = error as NodeJS.ErrnoException
  process.stderr.write(`postern: ${message}${code === 'EACCES' ? ' (are you root?)' : ''}\n`)
  process.exitCode = 70
}
