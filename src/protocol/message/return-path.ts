/**
 * The Return-Path field: the reverse-path, as the host that makes the final delivery records it.
 *
 * The path is quoted where its local part needs it; nothing a sender chose can end the line.
 *
 * RFC 5321 section 4.4 (Return-path), section 4.5.5 (the null path is written `<>`).
 */

import { formatMailbox, NULL_SENDER, splitMailbox } from '../address/mailbox.ts'
import { withoutControls } from './delivered-to.ts'

export function formatReturnPath(reversePath: string): string {
  const path = reversePath === NULL_SENDER ? '' : formatMailbox(splitMailbox(reversePath))
  return `Return-Path: <${withoutControls(path)}>\n`
}
