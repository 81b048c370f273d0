/**
 * CPU time and memory of a process and everything below it, read from /proc.
 */

import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessCost {
  readonly name: string
  /** Own seconds of user and system time, plus those of children that have ended. */
  readonly cpuSeconds: number
  readonly residentMegabytes: number
}

const TICKS_PER_SECOND = 100
const PAGE = 4_096

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly ticks: number
  readonly pages: number
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0)
    return { pid, parent: fields[1] ?? 0, ticks, pages: fields[21] ?? 0 }
  } catch {
    return undefined
  }
}

function nameOf(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    return (words[0] ?? '').replace(/^.*\//, '').replace(/^postern: (\w+).*$/, '$1')
  } catch {
    return '?'
  }
}

/** Costs of the tree below `root`, the root included, added up by name of the program. */
export function costsOf(root: number): readonly ProcessCost[] {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined)
  const family = new Set([root])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const stat of stats) if (family.has(stat.parent)) family.add(stat.pid)
  }
  const byName = new Map<string, ProcessCost>()
  for (const stat of stats.filter(({ pid }) => family.has(pid))) {
    const name = nameOf(stat.pid)
    const before = byName.get(name) ?? { name, cpuSeconds: 0, residentMegabytes: 0 }
    byName.set(name, {
      name,
      cpuSeconds: before.cpuSeconds + stat.ticks / TICKS_PER_SECOND,
      residentMegabytes: before.residentMegabytes + (stat.pages * PAGE) / 1_048_576,
    })
  }
  return [...byName.values()]
}
