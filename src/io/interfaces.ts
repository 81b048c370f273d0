/**
 * The addresses of this host's network interfaces, the loopback interface left out.
 *
 * Kept for a moment: asking the system costs more than a lookup in a table, and addresses rarely change.
 */

import { networkInterfaces } from 'node:os'

const KEPT_MS = 10_000
let kept: readonly string[] = []
let keptUntil = Number.NEGATIVE_INFINITY

export function interfaceAddresses(): readonly string[] {
  const now = performance.now()
  if (now >= keptUntil) {
    kept = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address }) => address)
    keptUntil = now + KEPT_MS
  }
  return kept
}
