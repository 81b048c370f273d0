/**
 * Which messages and recipients an operator's selection means, and how they are shown: in every
 * engine alike.
 */

import type {
  ListedMessage,
  ListedRecipient,
  RECIPIENT_STATES,
  Selection,
} from '../../../contracts/control.ts'

/** Recipients named by one item of a listing, and by `show`. */
export const LISTED_RECIPIENTS = 10
export const SHOWN_RECIPIENTS = 200
/** Characters of recipients in one item, so that it fits into one frame between programs. */
const MOST_LISTED_CHARACTERS = 12_000

export type ShownState = (typeof RECIPIENT_STATES)[number]

export interface Matcher {
  readonly hasRecipientCondition: boolean
  sender(reversePath: string): boolean
  recipient(address: string): boolean
}

/** Without regard to case. `queueId` is left to the caller, who has an index for it. */
export function matcherOf(selection: Selection): Matcher {
  const sender = selection.sender?.toLowerCase()
  const recipient = selection.recipient?.toLowerCase()
  const domain = selection.domain?.toLowerCase()
  return {
    hasRecipientCondition: recipient !== undefined || domain !== undefined,
    sender: (reversePath) => sender === undefined || reversePath.toLowerCase() === sender,
    recipient: (address) => {
      const lower = address.toLowerCase()
      if (recipient !== undefined && lower !== recipient) return false
      return domain === undefined || lower.slice(lower.lastIndexOf('@') + 1) === domain
    },
  }
}

/** As many of `recipients` as may be named in one item. */
export function listed(
  message: Omit<ListedMessage, 'recipients'>,
  recipients: Iterable<ListedRecipient>,
  most: number,
): ListedMessage {
  const named: ListedRecipient[] = []
  let characters = 0
  for (const recipient of recipients) {
    characters += recipient.address.length + recipient.lane.length
    characters += (recipient.lastText?.length ?? 0) + 100
    if (named.length === most) break
    if (named.length > 0 && characters > MOST_LISTED_CHARACTERS) break
    named.push(recipient)
  }
  return { ...message, recipients: named }
}
