/**
 * supervisor: starts Postern's programs, each with what it needs and no more, and keeps them running.
 *
 *     node supervisor.mjs --config FILE [--release DIR] [--single]
 */

import { parseArgs } from 'node:util'
import { CannotStart, EXIT } from '../../io/cannot-start.ts'
import { closeForeignDescriptors } from '../../io/foreign-descriptors.ts'
import { serve } from './serve.ts'
import { findSituation } from './situation.ts'

try {
  closeForeignDescriptors()
  const { config, release, single } = readArguments()
  await serve(config, await findSituation(release, single))
  process.exit(0)
} catch (error) {
  const known = error instanceof CannotStart
  process.stderr.write(`${known ? error.message : (error as Error).stack}\n`)
  process.exit(known ? error.exitCode : EXIT.fault)
}

function readArguments() {
  const text = (initial: string) => ({ type: 'string', default: initial }) as const
  const single = { type: 'boolean', default: false } as const
  const options = { config: text(''), release: text(import.meta.dirname), single } as const
  try {
    const { values } = parseArgs({ options })
    if (values.config === '') throw new Error('--config FILE is missing')
    return values
  } catch (error) {
    throw new CannotStart(`supervisor: ${(error as Error).message}`, EXIT.usage)
  }
}
