/**
 * The queue's partners, scripted: a submitter, a launcher with agents, a remote agent.
 *
 * Real Connections on real socket pairs; what each does with a delivery is a function of the test.
 */

import type { AgentAnswer, AgentKind } from '../../src/contracts/account.ts'
import type { LocalDelivery, RemoteDelivery } from '../../src/contracts/delivery.ts'
import type { Outcome } from '../../src/contracts/outcome.ts'
import type { QueueSettings } from '../../src/contracts/settings.ts'
import type { NewRecipient, SubmissionCommit } from '../../src/contracts/submission.ts'
import type { ProgramName } from '../../src/contracts/supervision.ts'
import type { Stream, StreamListener } from '../../src/io/connection.ts'
import { Connection } from '../../src/io/connection.ts'
import type { Log, LogEvent } from '../../src/io/log.ts'
import type { Queue } from '../../src/programs/queue/serve.ts'
import { socketPair } from './socket-pair.ts'

export const SELF = { release: 'test', program: 'test' }

export const STORED: Outcome = { kind: 'delivered', status: '2.0.0', text: 'stored' }

/** One attempt as an agent sees it. */
export interface Attempt {
  readonly by: string
  readonly head: LocalDelivery | RemoteDelivery
  readonly content: string
  readonly stream: Stream
  /** Gives each recipient this outcome, and ends. */
  readonly answer: (outcome: Outcome) => void
}
export type Script = (attempt: Attempt) => void

export const storeAll: Script = ({ answer }) => answer(STORED)

export function testSettings(more: Partial<QueueSettings> = {}): QueueSettings {
  return {
    hostname: 'mail.example.org',
    paths: { queue: '/nowhere', drop: '/nowhere', run: '/nowhere' },
    domains: {
      'example.org': { kind: 'accounts' },
      'shop.example': { kind: 'mailboxes', maildir: '/m/{local}/', user: 'v', create: false },
    },
    routes: [],
    local: { deliver: 'Maildir/', postmaster: 'postmaster', systemAccounts: [] },
    limits: {
      messageSize: 50_000_000,
      recipientsPerMessage: 200_000,
      sessions: 100,
      sessionsPerClient: 100,
      sessionIdle: 300,
      sessionErrors: 10,
      hops: 30,
      receivers: 1,
      remotes: 1,
      localDeliveries: 20,
      deliveriesPerSite: 20,
      deliveries: 100,
      agents: 50,
      agentIdle: 60,
      diskFree: 1_000,
      finishWithin: 30,
      dropFilesPerUser: 100,
    },
    retry: { lifetime: 604_800, localSpacing: 10, remoteSpacing: 20, schedule: [] },
    log: { to: { kind: 'stderr' }, format: 'text', keepEvents: 604_800 },
    ...more,
  }
}

export function collectingLog(): Log & { readonly events: LogEvent[] } {
  const events: LogEvent[] = []
  return { events, write: (event) => void events.push(event) }
}

/** The far side of a new connection of the queue to a partner. */
export async function joinPartner(
  queue: Queue,
  program: ProgramName,
  options: {
    readonly index?: number
    readonly onOpen?: (stream: Stream, head: unknown) => StreamListener
  } = {},
): Promise<Connection> {
  const [near, far] = await socketPair()
  const greeted = Promise.withResolvers<void>()
  const { onOpen } = options
  const connection = new Connection(far, {
    self: SELF,
    speaksFirst: false,
    ...(onOpen === undefined ? {} : { onOpen }),
    onHello: () => greeted.resolve(),
    onLost: () => greeted.resolve(),
  })
  queue.partner(near, program, options.index ?? 0)
  await greeted.promise
  return connection
}

/** Answers deliveries by a script: an agent or a remote agent. */
export function deliveryListener(by: string, script: Script) {
  return (stream: Stream, head: unknown): StreamListener => {
    const pieces: Buffer[] = []
    const delivery = head as LocalDelivery | RemoteDelivery
    return {
      onData: (bytes) => {
        pieces.push(bytes)
        stream.grant(bytes.length)
      },
      onEnd: () =>
        script({
          by,
          head: delivery,
          content: Buffer.concat(pieces).toString(),
          stream,
          answer: (outcome) => {
            for (const { recipient } of delivery.recipients) stream.record({ recipient, outcome })
            stream.end({})
          },
        }),
    }
  }
}

export interface ScriptedLauncher {
  readonly connection: Connection
  /** Agents started so far, by name. */
  readonly started: string[]
  /** Tokens of agents the queue has let go. */
  readonly dismissed: number[]
  /** Ends an agent as a crash would. */
  crash(name: string): void
  readonly alive: ReadonlyMap<string, Connection>
}

/** A launcher whose agents live in this process. */
export async function joinLauncher(
  queue: Queue,
  script: Script,
  answer: (agent: AgentKind) => AgentAnswer = () => ({ kind: 'started' }),
): Promise<ScriptedLauncher> {
  const started: string[] = []
  const dismissed: number[] = []
  const alive = new Map<string, Connection>()
  const start = async (agent: AgentKind, token: number) => {
    const [near, far] = await socketPair()
    const options = { self: SELF, speaksFirst: false, onLost: () => alive.delete(agent.name) }
    const deliveries = deliveryListener(agent.name, script)
    const onOpen = (stream: Stream, head: unknown): StreamListener => {
      if ((head as { type: string }).type !== 'mailbox') return deliveries(stream, head)
      const { mailbox } = head as { mailbox: string }
      stream.end({ kind: mailbox.includes('/eve/') ? 'exists' : 'missing' })
      return {}
    }
    alive.set(agent.name, new Connection(far, { ...options, onOpen }))
    queue.agent(near, token)
  }
  const connection = await joinPartner(queue, 'launcher', {
    onOpen: (stream, head) => {
      const request = head as { type: string; name: string; agent: AgentKind; token: number }
      if (request.type === 'account') {
        const known = request.name !== 'nobody'
        stream.end(known ? { kind: 'found' } : { kind: 'unknown', because: 'test' })
        return {}
      }
      if (request.type === 'dismissed') {
        dismissed.push(request.token)
        stream.end({})
        return {}
      }
      const word = answer(request.agent)
      if (word.kind === 'started') {
        started.push(request.agent.name)
        void start(request.agent, request.token)
      }
      stream.end(word)
      return {}
    },
  })
  return { connection, started, dismissed, alive, crash: (name) => alive.get(name)?.close() }
}

export interface Submission {
  readonly from?: string
  readonly to: readonly (string | NewRecipient)[]
  readonly content?: string | Buffer
  readonly commit?: Partial<SubmissionCommit>
}

/** Hands a message to the queue; answers its last word. */
export async function submit(receiver: Connection, message: Submission): Promise<unknown> {
  const answer = Promise.withResolvers<unknown>()
  const stream = receiver.open(
    { type: 'submit' },
    { onEnd: answer.resolve, onCancel: (why) => answer.resolve({ cancelled: why }) },
  )
  const recipients = message.to.map((to) => (typeof to === 'string' ? { address: to } : to))
  for (let from = 0; from < recipients.length; from += 50) {
    stream.record({ recipients: recipients.slice(from, from + 50) })
  }
  await stream.write(Buffer.from(message.content ?? 'Subject: test\n\nHello.\n'))
  stream.end({
    reversePath: message.from ?? 'ann@example.com',
    prepend: 'Received: by test\n',
    origin: { via: 'smtp', client: '192.0.2.1' },
    body: '7bit',
    smtputf8: false,
    ...message.commit,
  })
  return answer.promise
}

/** Asks something that is answered by an end. */
export async function ask(connection: Connection, head: unknown): Promise<unknown> {
  const answer = Promise.withResolvers<unknown>()
  const stream = connection.open(head, {
    onEnd: answer.resolve,
    onCancel: (why) => answer.resolve({ cancelled: why }),
  })
  stream.end({})
  return answer.promise
}
