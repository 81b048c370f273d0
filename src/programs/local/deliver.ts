/**
 * One delivery: a message's content, streamed into the mailboxes of its recipients.
 *
 * Every piece is written to all copies and only then is more asked for, so a message of any size needs
 * the memory of its credit. The header is looked through as it passes: a recipient it has
 * visited before fails at once, before anything is stored. Outcomes are told one by one.
 */

import type { LocalDelivery, LocalRecipient } from '../../contracts/delivery.ts'
import type { RecipientOutcome } from '../../contracts/outcome.ts'
import { hasVisited, loopOutcome } from '../../policy/loops.ts'
import type { DeliveredToScan } from '../../protocol/message/delivered-to.ts'
import { DELIVERED_TO_SCAN, scanDeliveredTo } from '../../protocol/message/delivered-to.ts'
import type { Agent } from './agent.ts'
import { checkHome } from './home.ts'
import type { Inbox } from './inbox.ts'
import { RecipientDelivery } from './recipient.ts'

/** What a delivery needs of its stream. */
export interface Queue {
  record(outcome: RecipientOutcome): void
  grant(bytes: number): void
}

/** Resolves when every recipient has been told of, or the queue has cancelled. */
export async function deliver(
  agent: Agent,
  request: LocalDelivery,
  from: { readonly inbox: Inbox; readonly queue: Queue },
): Promise<void> {
  const deliveries = request.recipients.map(
    (recipient) =>
      new RecipientDelivery(recipient, (outcome) =>
        from.queue.record({ recipient: recipient.recipient, outcome }),
      ),
  )
  const refusal = await checkHome(agent)
  if (refusal !== undefined) {
    await Promise.all(deliveries.map((delivery) => delivery.settle(refusal)))
    return
  }
  for (const [index, delivery] of deliveries.entries()) {
    delivery.begin(agent, request.recipients[index] as LocalRecipient, request.reversePath)
  }
  await stream(deliveries, from)
}

async function stream(
  deliveries: readonly RecipientDelivery[],
  { inbox, queue }: { readonly inbox: Inbox; readonly queue: Queue },
): Promise<void> {
  let scan = DELIVERED_TO_SCAN
  while (deliveries.some((delivery) => !delivery.settled)) {
    const incoming = await inbox.next()
    if (incoming.kind === 'cancelled') {
      await Promise.all(deliveries.map((delivery) => delivery.abandon()))
      return
    }
    scan = await failVisited(deliveries, scan, incoming.bytes)
    await Promise.all(deliveries.map((delivery) => delivery.write(incoming.bytes)))
    if (incoming.kind === 'last') {
      await Promise.all(deliveries.map((delivery) => delivery.commit()))
      return
    }
    queue.grant(incoming.bytes.length)
  }
}

async function failVisited(
  deliveries: readonly RecipientDelivery[],
  before: DeliveredToScan,
  piece: Buffer,
): Promise<DeliveredToScan> {
  const scan = scanDeliveredTo(before, piece)
  if (scan.found.length === before.found.length) return scan
  await Promise.all(
    deliveries
      .filter((delivery) => hasVisited(scan.found, delivery.address))
      .map((delivery) => delivery.settle(loopOutcome(delivery.address))),
  )
  return scan
}
