/**
 * From claimed recipients to attempts: what goes together, and the words an agent is told. Pure.
 *
 * Recipients of one message that stand next to each other and lead to the same agent or next hop
 * are one batch. Addresses are routed anew at each attempt, with the settings then in force.
 */

import type { LocalDelivery, RemoteDelivery } from '../../contracts/delivery.ts'
import { MOST_RECIPIENTS_IN_ATTEMPT } from '../../contracts/delivery.ts'
import { reversePathOutside } from '../../policy/bounce.ts'
import type { Destination, RoutingSettings } from '../../policy/routing.ts'
import { route } from '../../policy/routing.ts'
import { UNKNOWN_LANE } from './dispatch.ts'
import type { ClaimedRecipient, QueueId, StoredMessage } from './store/store.ts'

export interface Claimed {
  readonly recipient: ClaimedRecipient
  readonly destination: Destination
}

export interface Batch {
  readonly queueId: QueueId
  /** The lane its destination belongs to, without `bulk`. */
  readonly lane: string
  readonly claimed: readonly Claimed[]
}

export function batchesOf(
  recipients: readonly ClaimedRecipient[],
  settings: RoutingSettings,
): readonly Batch[] {
  const batches: { queueId: QueueId; lane: string; claimed: Claimed[] }[] = []
  for (const recipient of recipients) {
    const destination = route(recipient.address, settings)
    const lane = laneOf(destination)
    const last = batches.at(-1)
    const fits = last?.queueId === recipient.queueId && last.lane === lane
    if (last !== undefined && fits && last.claimed.length < MOST_RECIPIENTS_IN_ATTEMPT) {
      last.claimed.push({ recipient, destination })
    } else {
      batches.push({ queueId: recipient.queueId, lane, claimed: [{ recipient, destination }] })
    }
  }
  return batches
}

export function laneOf(destination: Destination): string {
  return destination.kind === 'unknown' ? UNKNOWN_LANE : destination.lane
}

/** What the agent is told; its recipients are numbered as they stand in the batch. */
export function headOf(
  batch: Batch,
  message: StoredMessage,
): LocalDelivery | RemoteDelivery | undefined {
  const destination = batch.claimed[0]?.destination
  const about = {
    type: 'deliver',
    queueId: message.queueId,
    reversePath: reversePathOutside(message.reversePath),
    size: message.size,
  } as const
  switch (destination?.kind) {
    case undefined:
    case 'unknown':
      return undefined
    case 'local':
      return { ...about, recipients: batch.claimed.flatMap(localRecipient) }
    case 'remote': {
      const { body, smtputf8, ret, envelopeId } = message
      return {
        ...about,
        nextHop: destination.nextHop,
        body,
        smtputf8,
        ...(ret === undefined ? {} : { ret }),
        ...(envelopeId === undefined ? {} : { envelopeId }),
        recipients: batch.claimed.map(remoteRecipient),
      }
    }
  }
}

function localRecipient({ recipient, destination }: Claimed, index: number) {
  if (destination.kind !== 'local') return []
  const { mailbox, create } = destination
  return [{ recipient: index, address: recipient.address, mailbox, create }]
}

function remoteRecipient({ recipient }: Claimed, index: number) {
  const { address, originalRecipient, notify } = recipient
  return {
    recipient: index,
    address,
    ...(originalRecipient === undefined ? {} : { originalRecipient }),
    ...(notify === undefined ? {} : { notify }),
  }
}
