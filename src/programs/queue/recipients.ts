/**
 * Answers at RCPT whether a recipient is anybody's: by the routing, and where that leaves it to an
 * account or a mailbox, by asking who can tell. Not knowing is `unsure`, never `unknown`.
 */

import { accountAnswer } from '../../contracts/account.ts'
import { mailboxAnswer } from '../../contracts/delivery.ts'
import type { RecipientAnswer } from '../../contracts/submission.ts'
import type { Connection } from '../../io/connection.ts'
import type { Destination } from '../../policy/routing.ts'
import { route } from '../../policy/routing.ts'
import type { Result } from '../../protocol/result.ts'
import type { AgentPool } from './agents.ts'
import type { Surroundings } from './surroundings.ts'
import { BoundedMap } from './surroundings.ts'

const KNOWN_MEMORY = 60_000
const UNKNOWN_MEMORY = 10_000
const MOST_REMEMBERED = 10_000
const MOST_ASKED = 1_000
const QUESTION_LIMIT = 20_000

type Local = Extract<Destination, { kind: 'local' }>

export class RecipientCheck {
  readonly #surroundings: Surroundings
  readonly #partners: {
    readonly launcher: () => Connection | undefined
    readonly agents: () => AgentPool
  }
  readonly #memory = new BoundedMap<
    string,
    { readonly until: number; readonly answer: RecipientAnswer }
  >(MOST_REMEMBERED)
  readonly #asked = new Map<string, Promise<RecipientAnswer>>()

  constructor(
    surroundings: Surroundings,
    partners: {
      readonly launcher: () => Connection | undefined
      readonly agents: () => AgentPool
    },
  ) {
    this.#surroundings = surroundings
    this.#partners = partners
  }

  async check(address: string): Promise<RecipientAnswer> {
    const destination = route(address, this.#surroundings.settings())
    if (destination.kind === 'unknown') return { kind: 'unknown', because: destination.because }
    if (destination.kind === 'remote') return { kind: 'known', because: destination.because }
    if (destination.agent.kind === 'mailboxes' && destination.create) {
      return { kind: 'known', because: `${destination.because}: made when mail comes` }
    }
    return this.#remembered(destination)
  }

  /** After a reload nothing that was known need be true. */
  forget(): void {
    this.#memory.clear()
  }

  #remembered(destination: Local): RecipientAnswer | Promise<RecipientAnswer> {
    const key = `${destination.lane} ${destination.mailbox}`
    const known = this.#memory.get(key)
    if (known !== undefined && known.until > this.#surroundings.clock.now()) return known.answer
    const running = this.#asked.get(key)
    if (running !== undefined) return running
    if (this.#asked.size >= MOST_ASKED) return unsure('too many questions at once')
    const asking = this.#ask(destination).then((answer) => {
      this.#asked.delete(key)
      this.#remember(key, answer)
      return answer
    })
    this.#asked.set(key, asking)
    return asking
  }

  #remember(key: string, answer: RecipientAnswer): void {
    if (answer.kind === 'unsure') return
    const memory = answer.kind === 'known' ? KNOWN_MEMORY : UNKNOWN_MEMORY
    this.#memory.set(key, { until: this.#surroundings.clock.now() + memory, answer })
  }

  async #ask(destination: Local): Promise<RecipientAnswer> {
    const { agent, mailbox, because } = destination
    if (agent.kind !== 'mailboxes') return this.#askLauncher(agent.name, because)
    const standing = await this.#partners.agents().settled(agent, QUESTION_LIMIT)
    if (standing.kind !== 'warm') return unsure(`${because}: its agent does not run`)
    const over = this.#partners.agents().use(destination.lane)
    const answer = await this.#question(standing.connection, { type: 'mailbox', mailbox })
    over()
    return knownIf('exists', decoded(mailboxAnswer, answer), because)
  }

  async #askLauncher(name: string, because: string): Promise<RecipientAnswer> {
    const launcher = this.#partners.launcher()
    if (launcher === undefined) return unsure('the launcher is not there')
    const answer = await this.#question(launcher, { type: 'account', name })
    return knownIf('found', decoded(accountAnswer, answer), because)
  }

  /** The end of a stream opened with `head`, or undefined when there was none in time. */
  #question(connection: Connection, head: unknown): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const stream = connection.open(head, {
      onEnd: resolve,
      onCancel: () => resolve(undefined),
    })
    stream.end({})
    const alarm = this.#surroundings.clock.after(QUESTION_LIMIT, () => {
      stream.cancel()
      resolve(undefined)
    })
    return promise.finally(() => alarm.cancel())
  }
}

type Answer =
  | { readonly kind: 'found' | 'exists' | 'missing' }
  | { readonly kind: 'unknown' | 'unsure'; readonly because: string }

function decoded(shape: (input: unknown) => Result<Answer, string>, value: unknown): Answer {
  const answer = shape(value)
  return answer.ok ? answer.value : { kind: 'unsure', because: 'no clear answer' }
}

function knownIf(yes: 'found' | 'exists', answer: Answer, because: string): RecipientAnswer {
  if (answer.kind === yes) return { kind: 'known', because }
  if (answer.kind === 'missing') return { kind: 'unknown', because: `${because}: no such mailbox` }
  if (answer.kind === 'unknown') {
    return { kind: 'unknown', because: `${because}: ${answer.because}`.slice(0, 500) }
  }
  return unsure('because' in answer ? answer.because : 'no clear answer')
}

function unsure(because: string): RecipientAnswer {
  return { kind: 'unsure', because: because.slice(0, 500) }
}
