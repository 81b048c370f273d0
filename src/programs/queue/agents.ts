/**
 * The pool of local agents: which live, which are being started, which must leave.
 *
 * An agent is asked of the launcher and its connection comes by way of the supervisor, marked with
 * the token of the request; both must arrive in time, in either order. At most `limits.agents` live
 * at once: the idle one used longest ago leaves for a new one, and where none is idle the one that
 * has lived longest takes nothing new, so that everybody's turn comes. A refusal is remembered for
 * a moment, so that what waits behind it is not asked about message by message.
 *
 * An agent that has stalled gets nothing new, and leaves when it has nothing left or its place is
 * wanted. The launcher is told of every agent let go, lest a stopped process live on.
 */

import type { Socket } from 'node:net'
import type { AgentDismissal, AgentKind } from '../../contracts/account.ts'
import { agentAnswer } from '../../contracts/account.ts'
import type { Deferred, Failed } from '../../contracts/outcome.ts'
import type { Alarm } from '../../io/clock.ts'
import { Connection } from '../../io/connection.ts'
import { laneOfAgent } from '../../policy/routing.ts'
import { StallWatch } from './stall.ts'
import type { Surroundings } from './surroundings.ts'
import { BoundedMap } from './surroundings.ts'

export type Standing =
  | { readonly kind: 'warm'; readonly connection: Connection }
  /** Asked for, about to leave, or stalled: wait. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly outcome: Deferred | Failed }

interface Agent {
  readonly key: string
  readonly token: number
  readonly startedAt: number
  phase: 'starting' | 'warm' | 'retiring'
  connection: Connection | undefined
  deadline: Alarm | undefined
  uses: number
  usedAt: number
  readonly watch: StallWatch
}

/** One attempt that an agent is given. */
export interface Assignment {
  /** The agent has taken content, or has told an outcome it owed. */
  progress(): void
  over(): void
}

const START_LIMIT = 60_000
const REFUSAL_MEMORY = 5_000
const MOST_REFUSALS = 2_000
const MOST_STARTING = 8
const LEAVING_TIME = 500
/** The launcher ends what does not leave by itself. */
const STALLED_LEAVING_TIME = 10_500
/** An agent that is never idle leaves after this if others wait for its place. */
const LONGEST_TURN = 5_000

export class AgentPool {
  readonly #surroundings: Surroundings
  readonly #launcher: () => Connection | undefined
  readonly #onChange: () => void
  readonly #agents = new Map<string, Agent>()
  readonly #byToken = new Map<number, Agent>()
  readonly #refusals = new BoundedMap<
    string,
    { readonly until: number; readonly outcome: Deferred | Failed }
  >(MOST_REFUSALS)
  readonly #waiters = new Map<string, Set<() => void>>()
  #nextToken = 1
  #starting = 0
  #leaving = 0

  constructor(
    surroundings: Surroundings,
    partners: {
      readonly launcher: () => Connection | undefined
      /** An agent has come or gone: what waits should be looked at. */
      readonly onChange: () => void
    },
  ) {
    this.#surroundings = surroundings
    this.#launcher = partners.launcher
    this.#onChange = partners.onChange
  }

  get size(): number {
    return this.#agents.size
  }

  /** Keys of the agents that do not get on with what they have. */
  get stalled(): readonly string[] {
    return [...this.#agents.values()].filter(({ watch }) => watch.stalled).map(({ key }) => key)
  }

  standing(key: string): Standing {
    const agent = this.#agents.get(key)
    if (agent?.phase === 'warm' && agent.connection !== undefined && !agent.watch.stalled) {
      return { kind: 'warm', connection: agent.connection }
    }
    if (agent !== undefined) return { kind: 'starting' }
    const refusal = this.#refusals.get(key)
    if (refusal !== undefined && refusal.until > this.#surroundings.clock.now()) {
      return { kind: 'refused', outcome: refusal.outcome }
    }
    return { kind: 'absent' }
  }

  /** Starts an agent if there is a place for it, or makes one. Answers whether it is starting. */
  start(agent: AgentKind): boolean {
    const key = laneOfAgent(agent)
    const launcher = this.#launcher()
    if (launcher === undefined || this.#agents.has(key)) return false
    if (this.#starting >= MOST_STARTING || !this.#makeRoom()) return false
    const now = this.#surroundings.clock.now()
    const entry: Agent = {
      key,
      token: this.#nextToken,
      startedAt: now,
      phase: 'starting',
      connection: undefined,
      deadline: undefined,
      uses: 0,
      usedAt: now,
      watch: new StallWatch(this.#surroundings.clock, () => this.#paceChanged(entry)),
    }
    this.#nextToken += 1
    this.#starting += 1
    this.#agents.set(key, entry)
    this.#byToken.set(entry.token, entry)
    entry.deadline = this.#surroundings.clock.after(START_LIMIT, () =>
      this.#refuse(entry, unsure('The delivery program did not start in time.')),
    )
    this.#ask(launcher, agent, entry)
    return true
  }

  /** The agent has one use more; the function answered says that this use is over. */
  use(key: string): () => void {
    const agent = this.#agents.get(key)
    if (agent === undefined) return () => undefined
    agent.uses += 1
    let over = false
    return () => {
      if (over) return
      over = true
      agent.uses -= 1
      agent.usedAt = this.#surroundings.clock.now()
      if (agent.uses > 0 || this.#agents.get(key) !== agent) return
      if (agent.phase === 'retiring' || agent.watch.stalled) this.#dismiss(agent)
      else this.#watchIdle(agent)
    }
  }

  /** The agent is given an attempt: a use that must make progress. */
  assign(key: string): Assignment {
    const watch = this.#agents.get(key)?.watch
    const over = this.use(key)
    watch?.begin()
    return {
      progress: () => watch?.progress(),
      over: () => {
        watch?.over()
        over()
      },
    }
  }

  /** An agent's connection has come. One that nobody asked for is closed. */
  arrived(token: number, socket: Socket): void {
    const agent = this.#byToken.get(token)
    if (agent === undefined || agent.connection !== undefined) {
      socket.destroy()
      if (agent === undefined) this.#sayDismissed(token)
      return
    }
    agent.connection = new Connection(socket, {
      self: this.#surroundings.self,
      speaksFirst: true,
      onHello: () => this.#ready(agent),
      onLost: (why) => this.#lost(agent, why),
    })
  }

  /** Resolves when the agent is warm or refused, or after `limit` milliseconds. */
  async settled(agent: AgentKind, limit: number): Promise<Standing> {
    const key = laneOfAgent(agent)
    const { clock } = this.#surroundings
    const end = clock.now() + limit
    for (;;) {
      const standing = this.standing(key)
      if (standing.kind === 'warm' || standing.kind === 'refused') return standing
      if (clock.now() >= end) return standing
      if (standing.kind === 'absent') this.start(agent)
      await this.#change(key, Math.min(end - clock.now(), 1_000))
    }
  }

  closeAll(): void {
    for (const agent of this.#agents.values()) this.#dismiss(agent)
  }

  #change(key: string, limit: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiters = this.#waiters.get(key) ?? new Set()
    this.#waiters.set(key, waiters.add(resolve))
    const alarm = this.#surroundings.clock.after(limit, resolve)
    return promise.finally(() => {
      alarm.cancel()
      waiters.delete(resolve)
    })
  }

  #ask(launcher: Connection, agent: AgentKind, entry: Agent): void {
    const request = { type: 'agent', agent, token: entry.token }
    const stream = launcher.open(request, {
      onEnd: (value) => this.#answered(entry, value),
      onCancel: () => this.#refuse(entry, unsure('The launcher is not there.')),
    })
    stream.end({})
  }

  #answered(agent: Agent, value: unknown): void {
    const answer = agentAnswer(value)
    if (!answer.ok) return this.#refuse(agent, unsure('The launcher gave no clear answer.'))
    if (answer.value.kind !== 'started') this.#refuse(agent, answer.value)
  }

  #ready(agent: Agent): void {
    if (agent.phase !== 'starting' || this.#agents.get(agent.key) !== agent) return
    agent.phase = 'warm'
    this.#starting -= 1
    agent.deadline?.cancel()
    this.#watchIdle(agent)
    this.#changed(agent.key)
  }

  #refuse(agent: Agent, outcome: Deferred | Failed): void {
    if (agent.phase !== 'starting' || this.#agents.get(agent.key) !== agent) return
    const until = this.#surroundings.clock.now() + REFUSAL_MEMORY
    this.#refusals.set(agent.key, { until, outcome })
    this.#dismiss(agent)
  }

  #lost(agent: Agent, why: string): void {
    if (this.#agents.get(agent.key) !== agent) return
    this.#surroundings.log.write({ event: 'agent-lost', fields: { agent: agent.key, why } })
    if (agent.phase === 'starting') this.#refuse(agent, unsure('The delivery program ended.'))
    else this.#dismiss(agent)
  }

  #dismiss(agent: Agent): void {
    if (agent.phase === 'starting') this.#starting -= 1
    agent.phase = 'retiring'
    agent.deadline?.cancel()
    agent.watch.stop()
    this.#agents.delete(agent.key)
    this.#byToken.delete(agent.token)
    agent.connection?.close()
    this.#sayDismissed(agent.token)
    // The process is given a moment to leave before another takes its place.
    this.#leaving += 1
    const leavingTime = agent.watch.stalled ? STALLED_LEAVING_TIME : LEAVING_TIME
    this.#surroundings.clock.after(leavingTime, () => {
      this.#leaving -= 1
      this.#onChange()
    })
    this.#changed(agent.key)
  }

  #sayDismissed(token: number): void {
    const notice: AgentDismissal = { type: 'dismissed', token }
    this.#launcher()?.open(notice, {}).end({})
  }

  /** The agent has stalled, or goes on. */
  #paceChanged(agent: Agent): void {
    const event = agent.watch.stalled ? 'agent-stalled' : 'agent-goes-on'
    this.#surroundings.log.write({ event, fields: { agent: agent.key, attempts: agent.uses } })
    this.#changed(agent.key)
  }

  #watchIdle(agent: Agent): void {
    const { clock, settings } = this.#surroundings
    const idle = settings().limits.agentIdle * 1000
    agent.deadline?.cancel()
    agent.deadline = clock.after(idle, () => {
      if (agent.phase !== 'warm' || agent.uses > 0) return
      if (clock.now() - agent.usedAt >= idle) this.#dismiss(agent)
      else this.#watchIdle(agent)
    })
  }

  /** Answers whether one more agent may live now. */
  #makeRoom(): boolean {
    const { limits } = this.#surroundings.settings()
    if (this.#agents.size + this.#leaving < limits.agents) return true
    if (this.#leaving > 0) return false
    const stalled = [...this.#agents.values()].filter(({ watch }) => watch.stalled)
    for (const agent of stalled) this.#dismiss(agent)
    if (stalled.length > 0) return false
    const warm = [...this.#agents.values()].filter(({ phase }) => phase === 'warm')
    const idle = smallest(warm, (agent) => (agent.uses === 0 ? agent.usedAt : Infinity))
    if (idle?.uses === 0) {
      this.#dismiss(idle)
      return false
    }
    this.#retireOldest(warm)
    return false
  }

  #retireOldest(warm: readonly Agent[]): void {
    if (warm.length < this.#agents.size) return
    const oldest = smallest(warm, (agent) => agent.startedAt)
    if (oldest === undefined) return
    if (this.#surroundings.clock.now() - oldest.startedAt > LONGEST_TURN) oldest.phase = 'retiring'
  }

  #changed(key: string): void {
    const waiters = this.#waiters.get(key)
    this.#waiters.delete(key)
    for (const wake of waiters ?? []) wake()
    this.#onChange()
  }
}

function unsure(text: string): Deferred {
  return { kind: 'deferred', status: '4.3.0', text }
}

function smallest<Item>(items: readonly Item[], of: (item: Item) => number): Item | undefined {
  return items.reduce<Item | undefined>(
    (best, item) => (best === undefined || of(item) < of(best) ? item : best),
    undefined,
  )
}
