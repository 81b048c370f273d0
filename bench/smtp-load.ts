/**
 * Load for a benchmark: SMTP sessions that each send messages one after another, as fast as answered.
 * Bounded in sessions and messages, to a loopback address only.
 */

import { connect } from 'node:net'

export interface Load {
  readonly port: number
  readonly sessions: number
  readonly messages: number
  readonly size: number
  readonly recipient: (index: number) => string
}

/** Answers the seconds until the last message was accepted. Throws if one is refused. */
export async function sendLoad(load: Load): Promise<number> {
  const started = performance.now()
  let index = 0
  const next = () => (index < load.messages ? index++ : undefined)
  await Promise.all(Array.from({ length: load.sessions }, () => runSession(load, next)))
  return (performance.now() - started) / 1_000
}

function runSession(load: Load, next: () => number | undefined): Promise<void> {
  const line = 'All work and no play makes a benchmark of a mail server.\r\n'
  const body = line.repeat(Math.ceil(load.size / line.length)).slice(0, load.size - 2)
  return new Promise((resolve, reject) => {
    const socket = connect(load.port, '127.0.0.1')
    socket.setNoDelay(true)
    let expected: readonly string[] = ['220']
    let step: () => void = () => command('EHLO bench.test', ['250'], message)
    const command = (text: string, codes: readonly string[], then: () => void) => {
      expected = codes
      step = then
      socket.write(`${text}\r\n`)
    }
    const message = () => {
      const number = next()
      if (number === undefined) {
        socket.end('QUIT\r\n')
        return resolve()
      }
      const envelope = `MAIL FROM:<bench@sender.test>\r\nRCPT TO:<${load.recipient(number)}>\r\nDATA`
      command(envelope, ['250', '250', '354'], () =>
        command(`Subject: message ${number}\r\n\r\n${body}\r\n.`, ['250'], message),
      )
    }
    const refuse = (text: string) => {
      socket.destroy()
      reject(new Error(`the server said: ${text}`))
    }
    readReplies(socket, (text) => {
      if (!text.startsWith(expected[0] ?? '221')) return refuse(text)
      expected = expected.slice(1)
      if (expected.length === 0) step()
      return undefined
    })
    socket.on('error', reject)
  })
}

function readReplies(socket: ReturnType<typeof connect>, onReply: (text: string) => void): void {
  let buffer = ''
  socket.on('data', (bytes) => {
    buffer += bytes.toString('latin1')
    for (let end = buffer.indexOf('\r\n'); end !== -1; end = buffer.indexOf('\r\n')) {
      const text = buffer.slice(0, end)
      buffer = buffer.slice(end + 2)
      if (text[3] !== '-') onReply(text)
    }
  })
}
