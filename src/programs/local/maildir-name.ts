/**
 * Names of files in a Maildir: unique among all hosts, processes and deliveries.
 *
 *     tmp name = seconds ".M" usec "P" pid "Q" count "R" random "." host
 *     new name = seconds ".M" usec "P" pid "V" device "I" inode "Q" count "R" random "." host ",S=" size
 *
 * Readers never parse them, but for `,S=`: Dovecot takes the size from it instead of asking the disk.
 */

import type { UniquePart } from './agent.ts'

export interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

/** `/` cannot be in a file name, and `:` begins the flags. */
export function escapeHost(hostname: string): string {
  return hostname.replaceAll('/', String.raw`\057`).replaceAll(':', String.raw`\072`)
}

export function formatTmpName(part: UniquePart, hostname: string): string {
  return `${timeAndPid(part)}${countAndRandom(part)}.${escapeHost(hostname)}`
}

export function formatNewName(
  part: UniquePart,
  hostname: string,
  file: FileIdentity & { readonly size: number },
): string {
  const identity = `V${file.dev.toString(16)}I${file.ino.toString(16)}`
  const unique = `${timeAndPid(part)}${identity}${countAndRandom(part)}`
  return `${unique}.${escapeHost(hostname)},S=${file.size}`
}

/** Whether a file in `tmp` was made by a delivery of this program on this host. */
export function isOwnTmpName(name: string, hostname: string): boolean {
  const dot = `.${escapeHost(hostname)}`
  return name.endsWith(dot) && /^\d+\.M\d+P\d+Q\d+R[0-9a-f]+$/.test(name.slice(0, -dot.length))
}

function timeAndPid({ microseconds, pid }: UniquePart): string {
  return `${Math.floor(microseconds / 1_000_000)}.M${microseconds % 1_000_000}P${pid}`
}

function countAndRandom({ count, random }: UniquePart): string {
  return `Q${count}R${random}`
}
