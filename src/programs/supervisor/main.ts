/**
 * supervisor: starts Postern's programs, each with what it needs and no more, and keeps them running.
 *
 *     node supervisor.mjs --config FILE [--release DIR] [--single]
 */

import { parseArgs } from 'node:util'
import { CannotStart, EXIT } from '../../io/cannot-start.ts'
import { serve } from './serve.ts'
import { findSituation } from './situation.ts'

try {
  const { config, release, single } = readArguments()
  await serve(config, await findSituation(release, single))
  process.exit(0)
} catch (error) {
  const known = error instanceof CannotStart
  process.stderr.write(`${known ? error.message : (error as Error).stack}\n`)
  process.exit(known ? error.exitCode : EXIT.fault)
}

function readArguments() {
  const config = { type: 'string', default: '' } as const
  const release = { type: 'string', default: import.meta.dirname } as const
  const single = { type: 'boolean', default: false } as const
  try {
    const { values } = parseArgs({ options: { config, release, single } })
    if (values.config === '') throw new Error('--config FILE is missing')
    return values
  } catch (error) {
    throw new CannotStart(`supervisor: ${(error as Error).message}`, EXIT.usage)
  }
}
