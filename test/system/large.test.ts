/**
 * A message of 50 MB passes through every program without 50 MB of memory in any of them.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Postern } from '../support/postern.ts'
import {
  everydaySettings,
  mailFiles,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import { startSmtpSink } from '../support/smtp-sink.ts'

const SIZE = 50 * 1_000_000
const LINE = `${'0123456789abcdef'.repeat(4)}\r\n`
const PROGRAMS = ['receiver', 'queue', 'local', 'remote', 'launcher', 'supervisor']
/** More than the garbage collector leaves lying about, less than the message. */
const MOST_GROWTH = 40 * 1_048_576

/** Peak resident memory of a process, in bytes; 0 once it is gone. */
function peakMemory(pid: number): number {
  try {
    return (
      Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1_024
    )
  } catch {
    return 0
  }
}

function peaks(
  postern: Postern,
): ReadonlyMap<number, { readonly program: string; readonly peak: number }> {
  return new Map(
    PROGRAMS.flatMap((program) =>
      postern.pids(program).map((pid) => [pid, { program, peak: peakMemory(pid) }] as const),
    ),
  )
}

async function sendLarge(port: number, to: readonly string[]): Promise<string> {
  const client = new SmtpClient(port)
  try {
    await client.hello()
    await client.expect(`MAIL FROM:<a@sender.test> SIZE=${SIZE}`, 250)
    for (const address of to) await client.expect(`RCPT TO:<${address}>`, 250)
    await client.expect('DATA', 354)
    const hash = createHash('sha256')
    client.write('Subject: large\r\n\r\n')
    const block = LINE.repeat(1_000)
    for (let sent = 0; sent < SIZE; sent += block.length) {
      hash.update(block.replaceAll('\r\n', '\n'))
      await client.drained(block)
    }
    const reply = await client.command('.')
    assert.equal(reply.code, 250, reply.lines.join())
    return hash.digest('hex')
  } finally {
    client.close()
  }
}

async function bodyDigest(file: string): Promise<string> {
  const text = createReadStream(file)
  const hash = createHash('sha256')
  let header: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of text as AsyncIterable<Buffer>) {
    if (header === undefined) {
      hash.update(chunk)
      continue
    }
    header = Buffer.concat([header, chunk])
    const end = header.indexOf('\n\n')
    if (end === -1) continue
    hash.update(header.subarray(end + 2))
    header = undefined
  }
  return hash.digest('hex')
}

test('50 MB from SMTP to a Maildir and to another host, with bounded memory in every program', async () => {
  const directory = makeDirectory()
  let sunk = 0
  const sink = await startSmtpSink({
    keep: false,
    onMessage: (message) => (sunk = message.content.length),
  })
  const settings = `${everydaySettings(directory)}
[routes]
"*" = "smtp://127.0.0.1:${sink.port}"
[limits]
message_size = "60MB"
`
  const postern = await startPostern({ directory, settings })
  try {
    // A small message first, so that agents are warm and their ordinary size is known.
    const warm = new SmtpClient(postern.smtpPort)
    await warm.hello()
    await warm.send({
      from: 'a@sender.test',
      to: ['large@postern.test', 'x@elsewhere.test'],
      content: 'Subject: small\n\nsmall\n',
    })
    warm.close()
    await until(() => mailFiles(`${directory}/mail`).length === 1 && sunk > 0, 30)
    sunk = 0
    const before = peaks(postern)
    const digest = await sendLarge(postern.smtpPort, ['large@postern.test', 'x@elsewhere.test'])
    await until(() => mailFiles(`${directory}/mail`).length === 2 && sunk > SIZE, 120)
    const large = mailFiles(`${directory}/mail`).find((file) => statSync(file).size > SIZE / 2)
    assert.ok(large)
    assert.equal(await bodyDigest(large), digest)
    for (const [pid, { program, peak }] of before) {
      const grown = peakMemory(pid) - peak
      assert.ok(grown < MOST_GROWTH, `${program} has grown by ${Math.round(grown / 1_048_576)} MB`)
    }
  } finally {
    await postern.stop()
    await sink.close()
    removeDirectory(directory)
  }
})

test('one client that has stalled in the middle of a message does not hold up the others', async () => {
  const directory = makeDirectory()
  const postern = await startPostern({ directory })
  const stalled = connect(postern.smtpPort, '127.0.0.1')
  try {
    stalled.write('EHLO slow.test\r\n')
    await until(() => stalled.bytesRead > 0, 10)
    const client = new SmtpClient(postern.smtpPort)
    await client.hello()
    for (let index = 0; index < 100; index += 1) {
      const reply = await client.send({
        from: 'a@sender.test',
        to: ['quick@postern.test'],
        content: `Subject: ${index}\n\nquick\n`,
      })
      assert.equal(reply.code, 250)
    }
    client.close()
    await until(() => mailFiles(`${directory}/mail`).length === 100, 30)
  } finally {
    stalled.destroy()
    await postern.stop()
    removeDirectory(directory)
  }
})
