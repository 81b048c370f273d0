/**
 * The agents the launcher has started, until they have ended: how many there are, of whom, and the
 * end of those that do not leave by themselves.
 *
 *     living ──dismiss──▶ given 10 s ──▶ SIGKILL
 *        └────────end────▶ given 4 s ──▶ SIGKILL
 *
 * An agent leaves when its connection does. But it runs as a user, who can stop it, and a stopped
 * process hears of nothing: it would keep its place among the living for ever.
 */

import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { handOver } from './child.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

export interface AgentFacts {
  readonly token: number
  /** What agents of the same owner share. */
  readonly owner: string
  /** For the log. */
  readonly name: string
}

/** What is needed of a ChildProcess; its `kill` does nothing once the process has ended. */
export type AgentProcess = Pick<ChildProcess, 'pid' | 'kill'> & {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown
}

const DISMISSED_WITHIN = 10_000
/** The supervisor ends a launcher without a queue after five seconds. */
const ABANDONED_WITHIN = 4_000

export class AgentProcesses {
  readonly #clock: Clock
  readonly #log: Log
  readonly #living = new Map<AgentProcess, AgentFacts>()
  #onEmpty: () => void = () => undefined

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  get size(): number {
    return this.#living.size
  }

  countOf(owner: string): number {
    return [...this.#living.values()].filter((agent) => agent.owner === owner).length
  }

  add(child: AgentProcess, facts: AgentFacts): void {
    this.#living.set(child, facts)
    const end = (how: string | undefined) => {
      this.#living.delete(child)
      const fields = { name: facts.name, pid: child.pid, how }
      if (how !== undefined) this.#log.write({ event: 'agent-failed', fields })
      if (this.#living.size === 0) this.#onEmpty()
    }
    child.on('error', (error) => end(error.message))
    child.on('exit', (code, signal) =>
      end(code === 0 ? undefined : (signal ?? `exit code ${code}`)),
    )
  }

  /** The queue has no connection to this agent any more. */
  dismiss(token: number): void {
    for (const [child, facts] of this.#living) {
      if (facts.token !== token) continue
      this.#clock.after(DISMISSED_WITHIN, () => child.kill('SIGKILL'))
    }
  }

  /** The queue is gone, and no agent has a connection. Resolves when all have ended or been killed. */
  end(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onEmpty = resolve
    if (this.#living.size === 0) resolve()
    this.#clock.after(ABANDONED_WITHIN, () => {
      for (const child of this.#living.keys()) child.kill('SIGKILL')
      resolve()
    })
    return promise
  }
}

/** The agent's connection to the supervisor, which passes it on to the queue; answers whether it went. */
export function passOn(agent: ChildProcess, token: number): Promise<boolean> {
  const socket = agent.stdio[3]
  const what = { handover: 'agent', token } as const
  return new Promise((resolve) => {
    if (agent.pid === undefined || !(socket instanceof Socket)) resolve(false)
    else if (!handOver(process, what, socket, (error) => resolve(error === null))) resolve(false)
  })
}
