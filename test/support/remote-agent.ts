/**
 * The remote agent as a real process, with its real permissions, and this process in the place of supervisor and queue.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import type { RemoteDelivery, SiteNotice } from '../../src/contracts/delivery.ts'
import { siteNotice } from '../../src/contracts/delivery.ts'
import type { Outcome } from '../../src/contracts/outcome.ts'
import { recipientOutcome } from '../../src/contracts/outcome.ts'
import { PROGRAMS, permissionFlags } from '../../src/contracts/programs.ts'
import type { Order } from '../../src/contracts/supervision.ts'
import { FD } from '../../src/contracts/supervision.ts'
import { Connection } from '../../src/io/connection.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const RELEASE = 'test'

export interface RemoteAgent {
  readonly notices: readonly SiteNotice[]
  /** Sends a message of these pieces; answers what became of the recipients, by number. */
  deliver(
    delivery: RemoteDelivery,
    content: Iterable<Uint8Array>,
  ): Promise<ReadonlyMap<number, Outcome>>
  order(order: Order): void
  /** Breaks the connection, as a queue that dies does. */
  leave(): void
  /** The most memory the process has held, in bytes; Linux only. */
  peakMemory(): number
  readonly exit: Promise<number | null>
  kill(): void
}

export async function startRemoteAgent(settings: {
  readonly hostname: string
  readonly dnsPort: number
}): Promise<RemoteAgent> {
  const flags = permissionFlags(PROGRAMS.remote, { code: ROOT, readable: [], writable: [] })
  const main = resolve(ROOT, 'src/programs/remote/main.ts')
  const stdio = ['ignore', 'inherit', 'inherit', 'pipe', 'pipe', 'pipe'] as const
  const child = spawn(process.execPath, [...flags, main], { stdio: [...stdio], env: {} })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const notices: SiteNotice[] = []
  const socketAt = (fd: number) => child.stdio[fd] as unknown as Socket
  for (const fd of [FD.orders, FD.statuses]) socketAt(fd).on('error', () => undefined)
  const order = (value: Order) => {
    socketAt(FD.orders).write(`${JSON.stringify(value)}\n`)
  }
  order({
    order: 'begin',
    release: RELEASE,
    program: 'remote',
    index: 0,
    separated: false,
    settings: {
      hostname: settings.hostname,
      dns: { servers: [{ host: '127.0.0.1', port: settings.dnsPort }] },
      log: { format: 'text' },
    },
    doors: [],
  })
  const connection = new Connection(socketAt(FD.connection), {
    self: { release: RELEASE, program: 'queue' },
    speaksFirst: true,
    onNotice: (value) => {
      const notice = siteNotice(value)
      if (notice.ok) notices.push(notice.value)
    },
    onLost: () => undefined,
  })
  await once(socketAt(FD.statuses), 'data')
  return {
    notices,
    order,
    exit,
    deliver: (delivery, content) => deliverOn(connection, delivery, content),
    leave: () => connection.close(),
    kill: () => child.kill('SIGKILL'),
    peakMemory: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024
    },
  }
}

async function deliverOn(
  connection: Connection,
  delivery: RemoteDelivery,
  content: Iterable<Uint8Array>,
): Promise<ReadonlyMap<number, Outcome>> {
  const outcomes = new Map<number, Outcome>()
  const { promise, resolve: finish } = Promise.withResolvers<void>()
  const stream = connection.open(delivery, {
    onRecord: (value) => {
      const verdict = recipientOutcome(value)
      if (verdict.ok) outcomes.set(verdict.value.recipient, verdict.value.outcome)
    },
    onEnd: () => finish(),
    onCancel: () => finish(),
  })
  const feed = async () => {
    for (const piece of content) if (!(await stream.write(piece))) return
    stream.end({})
  }
  void feed()
  await promise
  // Gives up what has not been asked for, as the queue does.
  stream.cancel()
  return outcomes
}
