/**
 * A message too large to be held: sent piece by piece, and known again by its digest.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { SmtpClient } from './smtp-client.ts'

const LINE = `${'0123456789abcdef'.repeat(4)}\r\n`

/** Answers the digest of its body in LF form. */
export async function sendLargeMessage(
  port: number,
  to: readonly string[],
  size: number,
): Promise<string> {
  const client = new SmtpClient(port)
  try {
    await client.hello()
    await client.expect(`MAIL FROM:<a@sender.test> SIZE=${size}`, 250)
    for (const address of to) await client.expect(`RCPT TO:<${address}>`, 250)
    await client.expect('DATA', 354)
    const hash = createHash('sha256')
    client.write('Subject: large\r\n\r\n')
    const block = LINE.repeat(1_000)
    for (let sent = 0; sent < size; sent += block.length) {
      hash.update(block.replaceAll('\r\n', '\n'))
      await client.drained(block)
    }
    await client.expect('.', 250)
    return hash.digest('hex')
  } finally {
    client.close()
  }
}

/** Of everything behind the header. */
export async function bodyDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  let header: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
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
