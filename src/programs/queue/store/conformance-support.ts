/**
 * Small steps the conformance cases, and tests of single engines, are written in.
 */

import assert from 'node:assert/strict'
import type {
  ClaimedRecipient,
  CommitRequest,
  QueueId,
  QueueStore,
  RoutedRecipient,
  Settlement,
} from './store.ts'

export type Case = (store: QueueStore) => Promise<void>

export const NOW = 1_790_000_000_000
export const LANE = 'local/account/user'

export function recipient(address: string, lane = LANE): RoutedRecipient {
  return { address, lane }
}

export function commitRequest(changes: Partial<CommitRequest> = {}): CommitRequest {
  return {
    reversePath: 'sender@example.com',
    prepend: 'Received: test\n',
    origin: { via: 'smtp', client: '192.0.2.1', helo: 'client.example.com' },
    body: '8bitmime',
    smtputf8: false,
    envelopeId: 'id+2B1',
    now: NOW,
    ...changes,
  }
}

export interface Mail extends Partial<CommitRequest> {
  readonly content?: string | Uint8Array
  /** Bytes in one write. */
  readonly chunk?: number
  readonly recipients?: readonly RoutedRecipient[]
  /** Recipients in one call. */
  readonly batch?: number
}

export async function accept(store: QueueStore, mail: Mail): Promise<QueueId> {
  const { content = 'hello\n', chunk = 1e9, recipients, batch = 1e9, ...request } = mail
  const arrival = store.arrive()
  const bytes = Buffer.from(content)
  for (let at = 0; at < bytes.length; at += chunk) {
    await arrival.write(bytes.subarray(at, at + chunk))
  }
  const all = recipients ?? [recipient('user@example.org')]
  for (let at = 0; at < all.length; at += batch) {
    await arrival.addRecipients(all.slice(at, at + batch))
  }
  return arrival.commit(commitRequest(request))
}

export async function bytesOf(store: QueueStore, queueId: QueueId): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of store.readContent(queueId)) {
    assert.ok(piece.length > 0 && piece.length <= 65_536)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

export async function claimOne(store: QueueStore, now = NOW): Promise<ClaimedRecipient> {
  const [claimed] = await store.claim(LANE, 1, now)
  assert.ok(claimed)
  return claimed
}

export async function claimAll(store: QueueStore, now = NOW): Promise<readonly ClaimedRecipient[]> {
  const claimed: ClaimedRecipient[] = []
  for (;;) {
    const lanes = await store.dueLanes(now, 10)
    if (lanes.length === 0) return claimed
    for (const { lane } of lanes) claimed.push(...(await store.claim(lane, 1_000, now)))
  }
}

export async function deliverAll(store: QueueStore, now = NOW): Promise<void> {
  const claimed = await claimAll(store, now)
  await store.settle(claimed.map(delivered), now)
}

export function delivered({ id }: { readonly id: number }): Settlement {
  return { id, kind: 'delivered', outcome: { kind: 'delivered', status: '2.0.0', text: 'ok' } }
}

export function deferred({ id }: { readonly id: number }, nextAttemptAt: number): Settlement {
  const outcome = { kind: 'deferred', status: '4.0.0', text: 'later' } as const
  return { id, kind: 'deferred', outcome, nextAttemptAt }
}

export function failed({ id }: { readonly id: number }): Settlement {
  return { id, kind: 'failed', outcome: { kind: 'failed', status: '5.1.1', text: 'no such user' } }
}
