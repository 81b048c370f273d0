/**
 * Runs every transcript in this folder against the receiver's session, in memory.
 *
 *     # why, and which RFC says so
 *     ! limits.messageSize 100      a setting; or `! client 10.0.0.1`
 *     C: MAIL FROM:<a@b>            the client says this line; lines in a row travel in one piece
 *     C+ raw bytes                  the same without CRLF behind it
 *     C: (end)                      the client closes its side
 *     S: 250 2.1.0                  the server's next line begins so
 *     S: (closed)                   the server has closed
 *     Q: <a@b> -> <c@d>: text       queued, in this order; the content in full
 *     Q: nothing                    nothing was queued, nothing is left open
 *
 * In client lines and content `\r`, `\n`, `\0`, `\t` and `\xHH` stand for those bytes.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { MemorySession } from '../support/receiver-session.ts'

const folder = import.meta.dirname
const files = globSync('*.smtp', { cwd: folder }).sort()

test('there are transcripts', () => assert.ok(files.length >= 20))

for (const file of files) {
  test(basename(file, '.smtp').replaceAll('-', ' '), () =>
    run(readFileSync(join(folder, file), 'utf8').split('\n')),
  )
}

async function run(lines: readonly string[]): Promise<void> {
  assert.match(lines[0] ?? '', /^# /, 'a transcript begins with the reason for it')
  const session = new MemorySession(optionsOf(lines))
  session.conversation.greet()
  let unsent = ''
  let queued = 0
  for (const [index, line] of lines.entries()) {
    const what = `line ${index + 1}: ${line}`
    const words = line.slice(3)
    if (line.startsWith('C: (end)')) {
      session.send(unsent)
      session.hangUp()
      unsent = ''
    } else if (line.startsWith('C: ')) unsent += `${unescape(words)}\r\n`
    else if (line.startsWith('C+ ')) unsent += unescape(words)
    else if (line.startsWith('S: ')) {
      if (unsent !== '') session.send(unsent)
      unsent = ''
      expectReply(await session.line(), words, what)
    } else if (line === 'Q: nothing') {
      assert.equal(session.queue.queued.length, 0, what)
      assert.equal(session.queue.opened, session.queue.cancelled, what)
    } else if (line.startsWith('Q: ')) {
      assert.equal(describe(session, queued), words, what)
      queued += 1
    } else assert.match(line, /^(?:[#!] .*|#)?$/, what)
  }
  session.break()
}

function expectReply(said: string | undefined, expected: string, what: string): void {
  if (said === undefined) assert.equal('(closed)', expected, what)
  else assert.equal(said.slice(0, expected.length), expected, `${what}\nthe server said: ${said}`)
}

function describe(session: MemorySession, index: number): string {
  const message = session.queue.queued[index]
  if (message === undefined) return 'no further message'
  const to = message.to.map((address) => `<${address}>`).join(',')
  return `<${message.from}> -> ${to}: ${JSON.stringify(message.content).slice(1, -1)}`
}

function optionsOf(lines: readonly string[]): ConstructorParameters<typeof MemorySession>[0] {
  const options: { client?: string; limits: Record<string, number> } = { limits: {} }
  for (const line of lines) {
    const [, name, value] = /^! (?:limits\.)?(\w+) (\S+)$/.exec(line) ?? []
    if (name === 'client' && value !== undefined) options.client = value
    else if (name !== undefined) options.limits[name] = Number(value)
  }
  return options
}

function unescape(text: string): string {
  const bytes = Buffer.from(text).toString('latin1')
  return bytes.replaceAll(/\\(r|n|0|t|x[0-9a-f]{2}|\\)/g, (whole, code: string) => {
    const named = { r: '\r', n: '\n', '0': '\0', t: '\t', '\\': '\\' }[code]
    return named ?? String.fromCharCode(Number.parseInt(whole.slice(2), 16))
  })
}
