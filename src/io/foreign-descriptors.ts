/**
 * Descriptors that this process was started with and did not ask for.
 *
 * A shell or service manager may leave files open in what it starts (`exec 77</etc/shadow`), and every child
 * would inherit them, agents of users included. Node opens its own descriptors close-on-exec, and makes
 * the first few that it finds so; one above 2 that is not came from outside, and is closed.
 *
 * Linux only, by /proc. Elsewhere nothing is done: start Postern from a clean environment there.
 */

import { closeSync, readdirSync, readFileSync } from 'node:fs'

const O_CLOEXEC = 0o2000000

/** Answers those it has closed. To be called first of all. */
export function closeForeignDescriptors(): readonly number[] {
  const foreign = openDescriptors().filter(
    (descriptor) => descriptor > 2 && survivesExec(descriptor),
  )
  for (const descriptor of foreign) closeSync(descriptor)
  return foreign
}

function openDescriptors(): readonly number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch {
    return []
  }
}

function survivesExec(descriptor: number): boolean {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')
    const flags = /^flags:\s+([0-7]+)$/m.exec(text)?.[1]
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0
  } catch {
    // The one the directory was read with, for example: it is closed again.
    return false
  }
}
