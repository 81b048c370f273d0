/**
 * Whom to tell that a recipient has reached its end, and of whom.
 *
 *     reverse path    failed, told to          reverse path of the report
 *     a mailbox       that mailbox             null, so it is never reported on again
 *     null            the postmaster           DOUBLE_BOUNCE
 *     DOUBLE_BOUNCE   nobody: discarded        –
 *
 * RFC 3461 section 4.1 and 5.2 (NOTIFY), RFC 5321 section 4.5.5 (null reverse-path) and 6.1.
 */

import type { Outcome } from '../contracts/outcome.ts'
import type { Notify } from '../contracts/submission.ts'
import { NULL_SENDER } from '../protocol/address/mailbox.ts'

/** Marks a report about a report. Only the queue writes it; towards agents it is the null sender. */
export const DOUBLE_BOUNCE = '#@[]'

export interface Ended {
  readonly notify?: readonly Notify[] | undefined
  readonly outcome: Outcome
}

export type ReportDecision<R extends Ended> =
  | {
      readonly kind: 'sender' | 'postmaster'
      readonly about: readonly R[]
      readonly reversePath: string
      readonly because: string
    }
  /** Nobody is told; `lost` says that something failed of which nobody will ever hear. */
  | { readonly kind: 'nobody'; readonly lost: boolean; readonly because: string }

export function whoIsTold<R extends Ended>(
  reversePath: string,
  ended: readonly R[],
): ReportDecision<R> {
  const about = ended.filter(isToldOf)
  const failures = about.filter(({ outcome }) => outcome.kind === 'failed')
  if (about.length === 0) return { kind: 'nobody', lost: false, because: 'NOTIFY asks for none' }
  if (reversePath === DOUBLE_BOUNCE) {
    return { kind: 'nobody', lost: true, because: 'a report about a report has failed' }
  }
  if (reversePath !== NULL_SENDER) {
    return { kind: 'sender', about, reversePath: NULL_SENDER, because: 'the sender is told' }
  }
  if (failures.length === 0) return { kind: 'nobody', lost: false, because: 'no sender to tell' }
  const because = 'the sender is null: the postmaster is told'
  return { kind: 'postmaster', about: failures, reversePath: DOUBLE_BOUNCE, because }
}

/** The reverse path as agents and other hosts see it. */
export function reversePathOutside(reversePath: string): string {
  return reversePath === DOUBLE_BOUNCE ? NULL_SENDER : reversePath
}

/** Without NOTIFY a sender is told of failures. A delivery that has left this host is told by its host. */
function isToldOf({ notify = ['failure', 'delay'], outcome }: Ended): boolean {
  switch (outcome.kind) {
    case 'failed':
      return notify.includes('failure')
    case 'delivered':
      return notify.includes('success') && outcome.host === undefined
    case 'deferred':
      return false
  }
}
