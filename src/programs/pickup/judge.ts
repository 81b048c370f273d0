/**
 * What a file in the drop directory is, by its status alone.
 *
 * Anybody may put anything there. A message is a regular file with one name, of pickup's own group (the
 * directory's set-group-id bit gives it that), with mode exactly 0640. Mode 0600 is one that is being
 * written. Whatever else there is was never accepted from anybody, so nothing is lost with it.
 */

export interface FileStatus {
  readonly isFile: boolean
  readonly isDirectory: boolean
  readonly links: number
  readonly gid: number
  /** Permission bits, with set-id and sticky. */
  readonly mode: number
  /** Milliseconds since 1970: the change time, which its owner cannot set. */
  readonly changedAt: number
}

export type Judgement =
  | { readonly kind: 'message' }
  /** Perhaps a message tomorrow. */
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'foreign'; readonly why: string; readonly remove: boolean }

const COMPLETE = 0o640
const INCOMPLETE = 0o600
/** Longer than any program takes to write a message. */
export const UNFINISHED_AFTER = 36 * 3_600_000

export function judge(status: FileStatus, own: { gid: number }, now: number): Judgement {
  const old = now - status.changedAt > UNFINISHED_AFTER
  if (status.isDirectory) return foreign('it is a directory', true)
  if (!status.isFile) return foreign('it is not a regular file', true)
  if (status.links !== 1) return foreign('it has more than one name', true)
  if (status.mode === INCOMPLETE && !old) return { kind: 'unfinished' }
  if (status.mode === INCOMPLETE) return foreign('it was never finished', true)
  if (status.mode !== COMPLETE) return foreign(`its mode is ${octal(status.mode)}, not 0640`, old)
  if (status.gid !== own.gid) return foreign(`its group is ${status.gid}, not ${own.gid}`, old)
  return { kind: 'message' }
}

function foreign(why: string, remove: boolean): Judgement {
  return { kind: 'foreign', why, remove }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
