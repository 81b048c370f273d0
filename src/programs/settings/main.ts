/**
 * The settings program: reads the configuration on descriptor 0 to its end, writes one SettingsAnswer
 * as JSON on descriptor 1, and is gone (README.md).
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { LONGEST_CONFIGURATION } from '../../contracts/supervision.ts'
import { answerQuestion } from './answer.ts'
import { RESOLVER_FILE } from './resolver.ts'

const pieces: Buffer[] = []
let size = 0
for await (const piece of process.stdin as AsyncIterable<Buffer>) {
  size += piece.length
  pieces.push(piece)
  if (size > LONGEST_CONFIGURATION) break
}

const answer = answerQuestion({
  text: Buffer.concat(pieces),
  directory: process.argv[2],
  readResolverFile: () => {
    try {
      return readFileSync(RESOLVER_FILE, 'utf8').slice(0, LONGEST_CONFIGURATION)
    } catch {
      return ''
    }
  },
})
writeFileSync(1, JSON.stringify(answer))
process.exit(0)
