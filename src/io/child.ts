/**
 * Running other programs to their end, and the three things every parent of ours needs.
 *
 * A child gets an environment built from nothing, `/` as its directory, and limits on its time and on
 * what it may say; whatever goes wrong with it is an answer without a code, never an exception.
 */

import { spawn } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Handover } from '../contracts/supervision.ts'

/** What a process runs as. Node clears the supplementary groups with it. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/**
 * A fresh one for each child: Node adds its own permission flags to the environment it is given, as
 * NODE_OPTIONS, and a shared one would carry them to a later child, who would be allowed them too.
 */
export function bareEnvironment(): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    ...(process.env['TZ'] === undefined ? {} : { TZ: process.env['TZ'] }),
  }
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly argv0?: string
  readonly identity?: Identity | undefined
  readonly input?: Uint8Array
  readonly longestAnswer: number
  readonly limitSeconds: number
}

export interface CommandAnswer {
  /** Absent: it did not start, was killed, or broke a limit; `errors` says which. */
  readonly code?: number
  readonly output: Buffer
  readonly errors: string
}

const LONGEST_ERRORS = 4_096

export function runCommand(command: Command): Promise<CommandAnswer> {
  const child = spawn(command.file, command.args, {
    ...command.identity,
    argv0: command.argv0 ?? command.file,
    cwd: '/',
    env: bareEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output: Buffer[] = []
  let size = 0
  let errors = ''
  return new Promise((resolve) => {
    const end = (code: number | null, why: string) => {
      clearTimeout(limit)
      child.kill('SIGKILL')
      const said = { output: Buffer.concat(output), errors: errors + why }
      resolve(code === null ? said : { ...said, code })
    }
    const limit = setTimeout(
      () => end(null, `no answer in ${command.limitSeconds} s`),
      command.limitSeconds * 1_000,
    )
    child.stdout.on('data', (bytes: Buffer) => {
      size += bytes.length
      if (size > command.longestAnswer) end(null, `more than ${command.longestAnswer} bytes`)
      else output.push(bytes)
    })
    child.stderr.on('data', (bytes: Buffer) => {
      errors = (errors + bytes.toString()).slice(0, LONGEST_ERRORS)
    })
    child.on('error', (error) => end(null, error.message))
    child.on('close', (code, signal) => end(code, signal === null ? '' : `killed by ${signal}`))
    child.stdin.on('error', () => undefined)
    child.stdin.end(command.input ?? '')
  })
}

/**
 * Node reads a pipe from the moment it has it, also one that is only passing through: what it read
 * here, the receiver would miss. Answers false if that has happened already.
 */
export function stopReading(socket: Socket): boolean {
  // There is no public way to do this before the event loop has turned.
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { reading: boolean; readonly readStop: () => number } | null
  }
  if (handle === null) return false
  handle.readStop()
  handle.reading = false
  return socket.readableLength === 0
}

/**
 * Sends a connected socket over a process's channel, and closes it here once it has gone. Answers false, and
 * closes it at once, if it cannot be sent whole; `sent` is told what became of it.
 */
export function handOver(
  process: Pick<NodeJS.Process, 'send'>,
  what: Handover,
  socket: Socket,
  sent: (error: Error | null) => void = () => undefined,
): boolean {
  if (process.send === undefined || !stopReading(socket)) {
    socket.destroy()
    return false
  }
  process.send(what, socket, { keepOpen: true }, (error) => {
    socket.destroy()
    sent(error)
  })
  return true
}

/**
 * Cuts what arrives into whole lines, each with its line end. A line beyond `longest` bytes is cut
 * there, as soon as it is that long, and the rest of it dropped; so no more than that is ever kept.
 */
export function lineCutter(longest: number): (bytes: Buffer) => readonly Buffer[] {
  let rest = Buffer.alloc(0)
  let dropping = false
  return (bytes) => {
    const lines: Buffer[] = []
    let start = 0
    while (start < bytes.length) {
      const at = bytes.indexOf(0x0a, start)
      const end = at === -1 ? bytes.length : at + 1
      if (!dropping) {
        rest = Buffer.concat([rest, bytes.subarray(start, Math.min(end, start + longest + 1))])
        dropping = rest.length > longest
        if (dropping) lines.push(Buffer.concat([rest.subarray(0, longest - 1), NEWLINE]))
        else if (at !== -1) lines.push(rest)
        if (dropping || at !== -1) rest = Buffer.alloc(0)
      }
      if (at !== -1) dropping = false
      start = end
    }
    return lines
  }
}

const NEWLINE = Buffer.from('\n')

/** What is no JSON is `undefined`, which no shape accepts. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch {
    return undefined
  }
}

/** Throws where the file cannot be read or is longer than `longest`. */
export function readBounded(file: string, longest: number): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(longest + 1)
    let size = 0
    for (let more = 1; more > 0 && size < bytes.length; size += more) {
      more = readSync(descriptor, bytes, size, bytes.length - size, null)
    }
    if (size > longest) throw new Error(`longer than ${longest} bytes`)
    return Buffer.from(bytes.subarray(0, size))
  } finally {
    closeSync(descriptor)
  }
}
