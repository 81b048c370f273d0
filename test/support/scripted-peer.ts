/**
 * A mail host for tests that follows a script and writes down what it hears.
 *
 *     S: 220 hi      says a line; `\n` in it separates several
 *     C: EHLO        expects a line that begins so; anything else is written down as a problem
 *     C: content     expects content up to the line with the dot, and keeps it
 *     cut            resets the connection          close   ends it
 *     wait           says nothing more, and listens
 *
 * Each connection plays the next script; the last one is played by all that follow.
 */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'

export interface ScriptedPeer {
  readonly port: number
  readonly connections: number
  /** Every line that was heard, content aside. */
  readonly heard: readonly string[]
  /** As it came, with its dots doubled and the last line with the dot. */
  readonly contents: readonly string[]
  readonly problems: readonly string[]
  close(): Promise<void>
}

interface Record {
  connections: number
  readonly heard: string[]
  readonly contents: string[]
  readonly problems: string[]
}

/** The usual beginning, for scripts that are about something later. */
export const HELLO = ['S: 220 peer.test', 'C: EHLO', 'S: 250-peer.test\n250-PIPELINING\n250 DSN']
/** A message that is taken by a host without extensions, one recipient. */
export const TAKEN = [
  'C: MAIL',
  'S: 250 ok',
  'C: RCPT',
  'S: 250 ok',
  'C: DATA',
  'S: 354 go',
  'C: content',
  'S: 250 2.0.0 taken',
]

export async function scriptedPeer(
  ...scripts: readonly (readonly string[])[]
): Promise<ScriptedPeer> {
  const record: Record = { connections: 0, heard: [], contents: [], problems: [] }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const script = scripts[Math.min(record.connections, scripts.length - 1)] ?? []
    record.connections += 1
    play(socket, [...script], record)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return Object.assign(record, { port, close })
}

function play(socket: Socket, script: string[], record: Record): void {
  let buffer = ''
  const takeLine = (expected: string): boolean => {
    const mark = expected === 'content' ? '.\r\n' : '\r\n'
    const atStart = expected === 'content' && buffer.startsWith(mark)
    const end = atStart ? 0 : buffer.indexOf(expected === 'content' ? `\r\n${mark}` : mark)
    if (end === -1) return false
    const length = end + mark.length + (expected === 'content' && !atStart ? 2 : 0)
    const text = buffer.slice(0, length)
    buffer = buffer.slice(length)
    if (expected === 'content') record.contents.push(text)
    else record.heard.push(text.slice(0, -2))
    if (expected !== 'content' && !text.startsWith(expected)) {
      record.problems.push(`expected ${expected}, heard ${text}`)
    }
    return true
  }
  const go = () => {
    for (let step = script[0]; step !== undefined; step = script[0]) {
      if (step.startsWith('C: ') && !takeLine(step.slice(3))) return
      if (step.startsWith('S: ')) socket.write(`${step.slice(3).replaceAll('\n', '\r\n')}\r\n`)
      if (step === 'cut') socket.resetAndDestroy()
      if (step === 'close') socket.end()
      script.shift()
    }
    // After the script: whatever is said is written down, QUIT for one.
    while (takeLine('')) continue
  }
  socket.on('data', (bytes: Buffer) => {
    buffer += bytes.toString('latin1')
    go()
  })
  socket.on('error', () => undefined)
  go()
}
