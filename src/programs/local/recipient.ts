/**
 * One recipient of a delivery: the copies its instructions ask for, and what became of it.
 *
 * Copies are written as the content arrives and committed in the order of the instructions; the first
 * that fails settles the recipient and the rest are given up. Settled is settled: later calls do
 * nothing.
 */

import type { LocalRecipient } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import { attempt } from '../../io/disk.ts'
import { formatDeliveredTo } from '../../protocol/message/delivered-to.ts'
import { formatFromLine } from '../../protocol/message/from-line.ts'
import { formatReturnPath } from '../../protocol/message/return-path.ts'
import type { Agent } from './agent.ts'
import type { Copy } from './copy.ts'
import type { Instruction } from './instructions.ts'
import { instructionsFor } from './instructions.ts'
import { MaildirCopy } from './maildir.ts'
import { MboxCopy } from './mbox.ts'
import { deferred, deferredBy } from './problems.ts'

export class RecipientDelivery {
  readonly address: string
  readonly #mailbox: string
  readonly #tell: (outcome: Outcome) => void
  #copies: readonly Copy[] = []
  #settled = false

  constructor(recipient: LocalRecipient, tell: (outcome: Outcome) => void) {
    this.address = recipient.address
    this.#mailbox = recipient.mailbox
    this.#tell = tell
  }

  get settled(): boolean {
    return this.#settled
  }

  begin(agent: Agent, recipient: LocalRecipient, reversePath: string): void {
    const instructions = instructionsFor(recipient, agent.settings)
    if (!instructions.ok) {
      this.#say(deferred('4.3.5', `${instructions.problem}: ${recipient.mailbox}`))
      return
    }
    const fields = formatReturnPath(reversePath) + formatDeliveredTo(recipient.address)
    this.#copies = instructions.value.map((one) => copyFor(agent, one, { reversePath, fields }))
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#settled) return
    // All of them must have come to rest before one that failed can be given up.
    const written = await Promise.all(this.#copies.map((copy) => attempt(() => copy.write(bytes))))
    for (const one of written) {
      if (!one.ok) await this.settle(deferredBy(one.problem, this.#mailbox))
    }
  }

  async commit(): Promise<void> {
    let outcome: Outcome = deferred('4.3.5', 'nothing to do for this recipient')
    for (const copy of this.#copies) {
      if (this.#settled) return
      const committed = await attempt(() => copy.commit())
      outcome = committed.ok ? committed.value : deferredBy(committed.problem, this.#mailbox)
      if (outcome.kind !== 'delivered') break
    }
    await this.settle(outcome)
  }

  /** Gives up what is not committed, and then tells. */
  async settle(outcome: Outcome): Promise<void> {
    if (this.#settled) return
    await this.abandon()
    this.#say(outcome)
  }

  async abandon(): Promise<void> {
    await Promise.all(this.#copies.map((copy) => copy.abandon()))
  }

  #say(outcome: Outcome): void {
    this.#settled = true
    this.#tell(outcome)
  }
}

function copyFor(
  agent: Agent,
  instruction: Instruction,
  about: { readonly reversePath: string; readonly fields: string },
): Copy {
  if (instruction.kind === 'maildir') {
    return new MaildirCopy(agent, instruction, Buffer.from(about.fields))
  }
  const line = formatFromLine(about.reversePath, agent.now())
  return new MboxCopy(agent, instruction, Buffer.from(line + about.fields))
}
