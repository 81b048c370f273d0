/**
 * One attempt at some recipients of one message: find the site, get a session, make the transaction,
 * and go on to the next host while recipients are left that no host has decided about.
 *
 * Every recipient is told of exactly once. What a kept connection suffers never counts: if it turns out
 * to be dead, a fresh one is made as if it had never been there.
 *
 * RFC 5321 section 5.1 (the next host), section 4.5.4.1 (several recipients in one transaction).
 */

import type { RemoteRecipient, SiteNotice } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import type { Lookup, Resolver } from '../../io/dns.ts'
import type { SmtpSocket } from '../../io/smtp-socket.ts'
import type { OwnAddresses } from '../../protocol/dns/own-address.ts'
import { quoteReply } from '../../protocol/smtp/server-reply.ts'
import type { Candidate, NoHope, Plan, Problem, ResolvedHost } from './attempt.ts'
import {
  chooseCandidates,
  labelOf,
  literalAddress,
  outcomeOfProblems,
  planFromMx,
  planWithoutMx,
} from './attempt.ts'
import type { Dial } from './connect.ts'
import { connectFirst } from './connect.ts'
import type { Opening, Peer } from './opening.ts'
import { hearOpening, OPENING_TIMEOUT } from './opening.ts'
import type { Pool, Session } from './pool.ts'
import type { Timeouts } from './timeouts.ts'
import type { Job, TransactionEnd } from './transact.ts'
import { transact } from './transact.ts'
import { deferred, LONGEST_QUOTE } from './verdict.ts'

/** Everything an attempt touches. */
export interface World {
  readonly hostname: string
  readonly resolver: Resolver
  readonly dial: Dial
  readonly pool: Pool
  readonly own: () => OwnAddresses
  readonly timeouts: Timeouts
  readonly random: () => number
  /** Milliseconds that never go back. */
  readonly now: () => number
  readonly notice: (notice: SiteNotice) => void
}

export async function deliver(given: Job, world: World): Promise<void> {
  const attempt = new Attempt(given)
  const plan = await findPlan(given, world)
  if (plan.kind === 'no hope') return attempt.settle(plan.outcome)
  if ((await viaKept(attempt, plan, world)) === 'over') return
  const choice = await findCandidates(plan, world)
  if (choice.kind === 'no hope') return attempt.settle(choice.outcome)
  const problems = await viaFresh(attempt, plan, { ...world, candidates: choice.candidates })
  attempt.settle(outcomeOfProblems(plan.destination, problems))
}

/** The job, and which of its recipients nobody has been told about yet. */
class Attempt {
  readonly job: Job
  readonly #open: Map<number, RemoteRecipient>

  constructor(given: Job) {
    this.#open = new Map(given.delivery.recipients.map((entry) => [entry.recipient, entry]))
    this.job = {
      ...given,
      tell: (verdict) => {
        if (this.#open.delete(verdict.recipient)) given.tell(verdict)
      },
    }
  }

  get recipients(): readonly RemoteRecipient[] {
    return [...this.#open.values()]
  }

  get over(): boolean {
    return this.#open.size === 0 || this.job.content.gone
  }

  settle(outcome: Outcome): void {
    if (this.job.content.gone) return
    for (const recipient of this.#open.keys()) this.job.tell({ recipient, outcome })
  }
}

async function findPlan({ delivery }: Job, world: World): Promise<Plan | NoHope> {
  const { nextHop } = delivery
  const known = planWithoutMx(nextHop)
  if (known !== undefined || nextHop.kind !== 'mx') return known ?? noNextHop()
  const { domain } = nextHop
  const plan = planFromMx(domain, await world.resolver.lookUp(domain, 'MX'), world.random)
  if (plan.kind === 'plan') {
    const { site, ttlSeconds } = plan
    world.notice({ type: 'site', domain, site, ttlSeconds: Math.min(ttlSeconds, 604_800) })
  }
  return plan
}

function noNextHop(): NoHope {
  return { kind: 'no hope', outcome: deferred('4.3.5', 'there is no next hop') }
}

async function findCandidates(
  plan: Plan,
  world: World,
): Promise<NoHope | { readonly kind: 'candidates'; readonly candidates: readonly Candidate[] }> {
  const resolved = await Promise.all(
    plan.hosts.map(async (host): Promise<ResolvedHost> => {
      const literal = plan.source === 'mx' ? undefined : literalAddress(host.name)
      if (literal !== undefined) return { ...host, six: foundLiteral(literal), four: NOTHING }
      const [six, four] = await Promise.all([
        world.resolver.lookUp(host.name, 'AAAA'),
        world.resolver.lookUp(host.name, 'A'),
      ])
      return { ...host, six, four }
    }),
  )
  return chooseCandidates(plan, resolved, world.own())
}

const NOTHING: Lookup<string> = { kind: 'nothing', missing: 'record', ttlSeconds: 0 }

function foundLiteral(address: string): Lookup<string> {
  return { kind: 'found', records: [address], canonicalName: address, ttlSeconds: 0 }
}

/** Over a connection that is still open from another message, if there is one. */
async function viaKept(attempt: Attempt, plan: Plan, world: World): Promise<'over' | 'go on'> {
  const kept = world.pool.take(plan.site)
  if (kept === undefined) return 'go on'
  const end = await useSession(attempt, plan, kept, world)
  if (end.kind === 'over') return 'over'
  return canGoOn(attempt, kept.candidate, end) ? 'go on' : 'over'
}

type Search = World & { readonly candidates: readonly Candidate[] }

/** One candidate after the other; answers what went wrong with those that decided nothing. */
async function viaFresh(attempt: Attempt, plan: Plan, search: Search): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  const begun = search.now()
  let waiting = search.candidates
  while (waiting.length > 0 && !attempt.over) {
    if (problems.length > 0 && search.now() - begun > search.timeouts.search) break
    const group = firstHostOf(waiting)
    const { connection, failures } = await connectFirst(group, search.dial, search.timeouts)
    problems.push(...failures.map((failure) => ({ ...failure, connected: false })))
    const tried = failures.map(({ candidate }) => candidate)
    if (connection !== undefined) tried.push(connection.candidate)
    waiting = waiting.filter((candidate) => !tried.includes(candidate))
    if (connection === undefined) continue
    const problem = await useConnection(attempt, plan, connection, search)
    if (problem === 'over') break
    problems.push(problem)
  }
  return problems
}

/** All addresses of the host whose turn it is. */
function firstHostOf(candidates: readonly Candidate[]): readonly Candidate[] {
  const [first] = candidates
  return candidates.filter((candidate) => candidate.name === first?.name)
}

async function useConnection(
  attempt: Attempt,
  plan: Plan,
  connection: { readonly socket: SmtpSocket; readonly candidate: Candidate },
  world: World,
): Promise<Problem | 'over'> {
  const { socket, candidate } = connection
  attempt.job.content.whenGone(() => socket.destroy())
  const opened = await open(socket, world)
  if ('why' in opened) {
    socket.quit()
    return { candidate, connected: true, ...opened }
  }
  const { peer } = opened
  const session: Session = { socket, candidate, peer, openedAt: world.now(), used: 0 }
  const end = await useSession(attempt, plan, session, world)
  if (end.kind === 'over' || !canGoOn(attempt, candidate, end)) return 'over'
  const { why, reply } = end
  return { candidate, connected: true, why, ...(reply === undefined ? {} : { reply }) }
}

/** Greeting and EHLO. */
async function open(
  socket: SmtpSocket,
  world: World,
): Promise<{ readonly peer: Peer } | { readonly why: string; readonly reply?: string }> {
  let opening: Opening = 'greeting'
  for (;;) {
    const heard = await socket.hear(world.timeouts[OPENING_TIMEOUT[opening]])
    if (heard.kind === 'lost') return { why: heard.why }
    const turn = hearOpening(opening, heard.reply, world.hostname)
    switch (turn.kind) {
      case 'open':
        return { peer: turn.peer }
      case 'refused': {
        const reply = quoteReply(heard.reply, LONGEST_QUOTE)
        return { why: `it takes no mail from here now: ${reply}`, reply }
      }
      case 'say':
        socket.say([turn.line])
        opening = turn.opening
    }
  }
}

async function useSession(
  attempt: Attempt,
  plan: Plan,
  session: Session,
  world: World,
): Promise<TransactionEnd> {
  const { job, recipients } = attempt
  const end = await transact(session, job, recipients, world.timeouts)
  const used = session.used + 1
  if (end.kind === 'over' && end.connection === 'keep')
    world.pool.give(plan.site, { ...session, used })
  else session.socket.quit()
  return end
}

/** The rest may be tried elsewhere if the content can be sent again from its first byte. */
function canGoOn(
  attempt: Attempt,
  candidate: Candidate,
  end: Extract<TransactionEnd, { readonly kind: 'left' }>,
): boolean {
  if (attempt.over) return false
  if (attempt.job.content.rewind()) return true
  const host = labelOf(candidate)
  const reply = end.reply === undefined ? {} : { reply: end.reply }
  const text = `${host}: ${end.why} in the middle of the message`
  attempt.settle(deferred('4.4.2', text, { host, ...reply }))
  return false
}
