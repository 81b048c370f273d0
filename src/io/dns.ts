/**
 * Asking the DNS: a small stub resolver that tells apart what the answers to a mail system's questions mean.
 *
 * The answer is a value: found; nothing, and whether the name or only the record is missing; or
 * temporary. Whether a failure is worth another attempt is decided here, where it is known, and never again.
 * Node's own resolver hides the time to live of MX records and which kind of nothing it was.
 *
 * Each query leaves from a fresh port with a fresh number, and only an answer to exactly that question from
 * the server that was asked counts. Names owned by strangers come back: nothing here trusts them.
 *
 * RFC 1035 (messages, TCP), RFC 2308 (keeping negative answers), RFC 5452 (forged answers),
 * RFC 6891 (EDNS: larger datagrams), RFC 2181 section 5.2 (the lowest time to live counts).
 */

import { domainToASCII } from 'node:url'
import type { MxRecord } from '../protocol/dns/mx.ts'
import type { Answer, NameServer, Question, ReadReply, RecordType } from './dns-exchange.ts'
import { exchange } from './dns-exchange.ts'

export type Lookup<Value> =
  | {
      readonly kind: 'found'
      readonly records: readonly Value[]
      /** What the name is an alias of in the end; the name itself if it is none. */
      readonly canonicalName: string
      readonly ttlSeconds: number
    }
  | {
      readonly kind: 'nothing'
      /** `name`: it does not exist (NXDOMAIN). `record`: it has none of this type (NODATA). */
      readonly missing: 'name' | 'record'
      readonly ttlSeconds: number
    }
  | { readonly kind: 'temporary'; readonly because: string }

/** What a record of each type holds. */
export interface RecordTypes extends Record<RecordType, MxRecord | string> {
  readonly MX: MxRecord
  readonly A: string
  readonly AAAA: string
}

export interface Resolver {
  lookUp<Type extends RecordType>(name: string, type: Type): Promise<Lookup<RecordTypes[Type]>>
}

export interface ResolverOptions {
  readonly servers: readonly NameServer[]
  /** How long each round through the servers waits for each of them. */
  readonly roundsMs?: readonly number[]
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

const DEFAULT_SERVER: NameServer = { host: '127.0.0.1', port: 53 }
const DEFAULT_ROUNDS_MS = [3_000, 5_000] as const
const MOST_ALIASES = 8
const MOST_RECORDS = 200
const MOST_KEPT_ANSWERS = 10_000
const MOST_QUERIES_AT_ONCE = 200
const LONGEST_FOUND_SECONDS = 86_400
/** RFC 2308 section 5 finds one to three hours sensible. */
const LONGEST_NOTHING_SECONDS = 3_600

type AnyLookup = Lookup<MxRecord | string>

interface Kept {
  readonly lookup: AnyLookup
  readonly until: number
}

export function openResolver(options: ResolverOptions): Resolver {
  const servers = options.servers.length === 0 ? [DEFAULT_SERVER] : options.servers
  const rounds = options.roundsMs ?? DEFAULT_ROUNDS_MS
  const now = options.now ?? (() => performance.now())
  const kept = new Map<string, Kept>()
  const asking = new Map<string, Promise<AnyLookup>>()
  const turn = turnstile(MOST_QUERIES_AT_ONCE)

  const ask = async (key: string, name: string, type: RecordType): Promise<AnyLookup> => {
    try {
      const lookup = await turn(() => resolve(name, type, (q) => askServers(servers, rounds, q)))
      if (lookup.kind !== 'temporary') keep(kept, key, { lookup, now: now() })
      return lookup
    } finally {
      asking.delete(key)
    }
  }
  const lookUp = async (given: string, type: RecordType): Promise<AnyLookup> => {
    const name = questionName(given)
    if (name === undefined) return { kind: 'nothing', missing: 'name', ttlSeconds: 0 }
    const key = `${type} ${name}`
    const known = kept.get(key)
    if (known !== undefined && known.until > now()) return remaining(known, now())
    const running = asking.get(key) ?? ask(key, name, type)
    asking.set(key, running)
    return await running
  }
  return { lookUp: lookUp as Resolver['lookUp'] }
}

/** A name as it can be asked for: A-labels, lower case; undefined where no such name can exist. */
function questionName(given: string): string | undefined {
  const plain = given.replace(/\.$/, '')
  const ascii = /[^\0-\x7f]/.test(plain) ? domainToASCII(plain) : plain.toLowerCase()
  const fits = ascii.length <= 253 && /^[!-~]+$/.test(ascii)
  return fits && ascii.split('.').every((label) => label !== '' && label.length <= 63)
    ? ascii
    : undefined
}

function keep(
  kept: Map<string, Kept>,
  key: string,
  answer: { readonly lookup: Exclude<AnyLookup, { kind: 'temporary' }>; readonly now: number },
): void {
  const { lookup } = answer
  if (lookup.ttlSeconds <= 0) return
  kept.delete(key)
  kept.set(key, { lookup, until: answer.now + lookup.ttlSeconds * 1_000 })
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT_ANSWERS) break
    kept.delete(oldest)
  }
}

function remaining(known: Kept, now: number): AnyLookup {
  if (known.lookup.kind === 'temporary') return known.lookup
  return { ...known.lookup, ttlSeconds: Math.floor((known.until - now) / 1_000) }
}

type Ask = (question: Question) => Promise<ReadReply>

/** Follows aliases that the servers have not followed themselves, so far and no further. */
async function resolve(name: string, type: RecordType, ask: Ask): Promise<AnyLookup> {
  let current = name
  let ttlSeconds = LONGEST_FOUND_SECONDS
  for (let steps = 0; steps <= MOST_ALIASES; ) {
    const reply = await ask({ name: current, type })
    if (reply.kind === 'temporary') return reply
    const chain = followAliases(current, reply.answers, MOST_ALIASES - steps)
    if (chain === undefined) break
    ttlSeconds = Math.min(ttlSeconds, chain.ttlSeconds)
    const here = recordsAt(chain.name, type, reply.answers)
    if (here.records.length > 0) {
      ttlSeconds = Math.min(ttlSeconds, here.ttlSeconds)
      return { kind: 'found', records: here.records, canonicalName: chain.name, ttlSeconds }
    }
    if (reply.missingName || chain.steps === 0) {
      ttlSeconds = Math.min(ttlSeconds, reply.negativeSeconds, LONGEST_NOTHING_SECONDS)
      return { kind: 'nothing', missing: reply.missingName ? 'name' : 'record', ttlSeconds }
    }
    current = chain.name
    steps += chain.steps
  }
  return { kind: 'temporary', because: `${name} is an alias of an alias of … without an end` }
}

interface Chain {
  readonly name: string
  readonly steps: number
  readonly ttlSeconds: number
}

function followAliases(from: string, answers: readonly Answer[], most: number): Chain | undefined {
  let name = from
  let steps = 0
  let ttlSeconds = LONGEST_FOUND_SECONDS
  for (;;) {
    const alias = answers.find((answer) => answer.type === 'CNAME' && answer.name === name)
    const target = alias?.type === 'CNAME' ? questionName(alias.data) : undefined
    if (alias === undefined || target === undefined) return { name, steps, ttlSeconds }
    if (steps === most) return undefined
    name = target
    steps += 1
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds)
  }
}

function recordsAt(
  name: string,
  type: RecordType,
  answers: readonly Answer[],
): { readonly records: readonly (MxRecord | string)[]; readonly ttlSeconds: number } {
  const own = answers.filter((answer) => answer.type === type && answer.name === name)
  return {
    records: own.slice(0, MOST_RECORDS).map((answer) => answer.data),
    ttlSeconds: Math.min(LONGEST_FOUND_SECONDS, ...own.map((answer) => answer.ttlSeconds)),
  }
}

/** One server after the other, round after round, until one of them knows. */
async function askServers(
  servers: readonly NameServer[],
  roundsMs: readonly number[],
  question: Question,
): Promise<ReadReply> {
  let because = 'no DNS server is configured'
  for (const timeoutMs of roundsMs) {
    for (const server of servers) {
      const reply = await exchange(server, question, timeoutMs)
      if (reply.kind === 'answered') return reply
      because = `DNS server ${server.host}: ${reply.because} (${question.type} ${question.name})`
    }
  }
  return { kind: 'temporary', because }
}

/** Lets so many run at once; the others wait in the order they came. */
function turnstile(most: number): <Value>(run: () => Promise<Value>) => Promise<Value> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (run) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
