/**
 * Answers the queue: may this account have mail, and a connection to an agent, please.
 *
 * An agent's connection is on its way to the queue before the answer is. Only so many agents live at
 * once; each leaves when the queue closes its connection.
 */

import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import type { AccountAnswer, AgentAnswer, AgentRequest } from '../../contracts/account.ts'
import { launcherRequest } from '../../contracts/account.ts'
import type { Handover } from '../../contracts/supervision.ts'
import { handOver } from '../../io/child.ts'
import type { Stream } from '../../io/connection.ts'
import type { Log } from '../../io/log.ts'
import type { Planner } from './agents.ts'
import { deferred, findOwner, planAgent, startAgent } from './agents.ts'

export class Launcher {
  readonly #planner: () => Planner
  readonly #code: string
  readonly #log: Log
  readonly #alive = new Set<ChildProcess>()
  /** Requests that have a place among the living and no process yet. */
  #starting = 0

  /** `code` is the directory of the bundles. */
  constructor(planner: () => Planner, code: string, log: Log) {
    this.#planner = planner
    this.#code = code
    this.#log = log
  }

  async answer(stream: Stream, head: unknown): Promise<void> {
    const request = launcherRequest(head)
    if (!request.ok) return stream.cancel()
    const { value } = request
    const asked = value.type === 'account' ? this.#account(value.name) : this.#agent(value)
    stream.end(await asked)
  }

  async #account(name: string): Promise<AccountAnswer> {
    const planner = this.#planner()
    const kind = planner.settings.spool === undefined ? 'account' : 'spool'
    const owner = await findOwner({ kind, name }, planner)
    if (owner.kind === 'found') return { kind: 'found' }
    return { kind: owner.kind, because: owner.because.slice(0, 500) }
  }

  async #agent({ agent, token }: AgentRequest): Promise<AgentAnswer> {
    const planner = this.#planner()
    if (this.#alive.size + this.#starting >= planner.settings.agents) {
      return deferred('4.3.2', 'as many agents as the settings allow are at work')
    }
    this.#starting += 1
    try {
      const plan = await planAgent(agent, planner)
      if (plan.kind !== 'plan') return plan
      const child = startAgent(plan, this.#code)
      this.#watch(child, agent.name)
      if (await give(child, { handover: 'agent', token })) return { kind: 'started' }
      child.kill('SIGKILL')
      return deferred('4.3.0', 'its agent could not be started')
    } finally {
      this.#starting -= 1
    }
  }

  #watch(child: ChildProcess, name: string): void {
    const end = (how: string | undefined) => {
      this.#alive.delete(child)
      const fields = { name, pid: child.pid, how }
      if (how !== undefined) this.#log.write({ event: 'agent-failed', fields })
    }
    this.#alive.add(child)
    child.on('error', (error) => end(error.message))
    child.on('exit', (code, signal) =>
      end(code === 0 ? undefined : (signal ?? `exit code ${code}`)),
    )
  }
}

/** The agent's connection to the supervisor, which passes it on. */
function give(agent: ChildProcess, what: Handover): Promise<boolean> {
  const socket = agent.stdio[3]
  return new Promise((resolve) => {
    if (agent.pid === undefined || !(socket instanceof Socket)) resolve(false)
    else if (!handOver(process, what, socket, (error) => resolve(error === null))) resolve(false)
  })
}
