/**
 * An SMTP server for tests that takes everything, or refuses the recipients it is told to refuse.
 * A second opinion on what our client sends: it reads bytes strictly and shares no code with it.
 */

import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'

export interface SunkMessage {
  readonly from: string
  readonly to: readonly string[]
  /** As it came, still dot-stuffed, without the final dot line. */
  readonly content: string
}

export interface SmtpSink {
  readonly port: number
  readonly messages: readonly SunkMessage[]
  close(): Promise<void>
}

export async function startSmtpSink(options: {
  readonly refuse?: (recipient: string) => string | undefined
  readonly onMessage?: (message: SunkMessage) => void
  readonly keep?: boolean
}): Promise<SmtpSink> {
  const messages: SunkMessage[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    serve(socket, {
      refuse: options.refuse ?? (() => undefined),
      onMessage: (message) => {
        if (options.keep !== false) messages.push(message)
        options.onMessage?.(message)
      },
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

interface Behaviour {
  readonly refuse: (recipient: string) => string | undefined
  readonly onMessage: (message: SunkMessage) => void
}

function serve(socket: Socket, behaviour: Behaviour): void {
  let buffer = ''
  let from = ''
  let to: string[] = []
  let inData = false
  const say = (text: string) => socket.write(`${text}\r\n`)
  say('220 sink.test ESMTP')

  const command = (line: string) => {
    const verb = line.slice(0, 4).toUpperCase()
    const path = /<([^>]*)>/.exec(line)?.[1] ?? ''
    switch (verb) {
      case 'EHLO':
        return say(
          '250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 DSN',
        )
      case 'MAIL':
        from = path
        to = []
        return say('250 2.1.0 ok')
      case 'RCPT': {
        const refusal = behaviour.refuse(path)
        if (refusal === undefined) to.push(path)
        return say(refusal ?? '250 2.1.5 ok')
      }
      case 'DATA':
        inData = to.length > 0
        return say(inData ? '354 go on' : '554 5.5.1 no recipients')
      case 'QUIT':
        say('221 2.0.0 bye')
        return socket.end()
      default:
        return say('250 2.0.0 ok')
    }
  }
  socket.on('data', (bytes) => {
    // What has been searched before is not searched again.
    let searched = Math.max(0, buffer.length - 4)
    buffer += bytes.toString('latin1')
    for (;;) {
      const mark = inData ? '\r\n.\r\n' : '\r\n'
      const end = buffer.indexOf(mark, searched)
      searched = 0
      if (end === -1) return
      const piece = buffer.slice(0, end)
      buffer = buffer.slice(end + mark.length)
      if (!inData) {
        command(piece)
        continue
      }
      inData = false
      behaviour.onMessage({ from, to, content: `${piece}\r\n` })
      say('250 2.0.0 sunk')
    }
  })
}
