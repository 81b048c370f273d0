/**
 * Answers the queue: may this account have mail, and a connection to an agent, please.
 *
 * An agent's connection is on its way to the queue before the answer is. Only so many agents live at
 * once, and two of one owner: the second for the time until the first has left.
 */

import type { AccountAnswer, AgentAnswer, AgentRequest } from '../../contracts/account.ts'
import { launcherRequest } from '../../contracts/account.ts'
import type { AgentProcesses } from '../../io/agent-processes.ts'
import { passOn } from '../../io/agent-processes.ts'
import type { Stream } from '../../io/connection.ts'
import type { Plan, Planner } from './agents.ts'
import { deferred, findOwner, planAgent, startAgent } from './agents.ts'

const MOST_OF_ONE_OWNER = 2

export class Launcher {
  readonly #planner: () => Planner
  readonly #code: string
  readonly #agents: AgentProcesses
  /** Requests that have a place among the living and no process yet. */
  #starting = 0

  /** `code` is the directory of the bundles. */
  constructor(planner: () => Planner, code: string, agents: AgentProcesses) {
    this.#planner = planner
    this.#code = code
    this.#agents = agents
  }

  async answer(stream: Stream, head: unknown): Promise<void> {
    const request = launcherRequest(head)
    if (!request.ok) return stream.cancel()
    const { value } = request
    switch (value.type) {
      case 'account':
        return stream.end(await this.#account(value.name))
      case 'agent':
        return stream.end(await this.#agent(value))
      case 'dismissed':
        this.#agents.dismiss(value.token)
        return stream.end({})
    }
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
    if (this.#agents.size + this.#starting >= planner.settings.agents) {
      return deferred('4.3.2', 'as many agents as the settings allow are at work')
    }
    this.#starting += 1
    try {
      const plan = await planAgent(agent, planner)
      if (plan.kind !== 'plan') return plan
      const owner = ownerOf(plan)
      if (this.#agents.countOf(owner) >= MOST_OF_ONE_OWNER) {
        return deferred('4.3.2', 'two agents of this owner have not ended yet')
      }
      const child = startAgent(plan, this.#code)
      this.#agents.add(child, { token, owner, name: agent.name })
      if (await passOn(child, token)) return { kind: 'started' }
      child.kill('SIGKILL')
      return deferred('4.3.0', 'its agent could not be started')
    } finally {
      this.#starting -= 1
    }
  }
}

/** What agents of one owner are counted under. Groups of virtual mailboxes may share an account. */
function ownerOf({ agent, identity }: Plan): string {
  const { kind, name } = agent
  return `${kind} ${kind === 'mailboxes' ? name : (identity?.uid ?? name)}`
}
