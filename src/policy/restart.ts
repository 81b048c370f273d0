/**
 * Which programs there are to be, and when one that has died is started again.
 *
 * At once the first time, then after 1, 2, 4 … 30 seconds. A program that has lived a minute counts
 * as one that works.
 */

import type { ProgramName, SupervisorSettings } from '../contracts/supervision.ts'

/** One of the programs there are to be; `index` tells several of one kind apart. */
export interface Place {
  readonly program: ProgramName
  readonly index: number
}

const LONGEST_DELAY = 30
const WORKS_AFTER = 60

/** The queue first: all others need a connection to it. */
export function wantedPlaces(settings: SupervisorSettings): readonly Place[] {
  const several = (program: ProgramName, count: number) =>
    Array.from({ length: count }, (_, index) => ({ program, index }))
  return [
    { program: 'queue', index: 0 },
    { program: 'launcher', index: 0 },
    ...several('receiver', settings.receivers),
    { program: 'pickup', index: 0 },
    ...several('remote', settings.remotes),
    { program: 'console', index: 0 },
  ]
}

/** How many times in a row it has died young, this time included. */
export function countFailures(before: number, livedSeconds: number): number {
  return livedSeconds >= WORKS_AFTER ? 1 : before + 1
}

export function restartDelay(failures: number): number {
  return failures <= 1 ? 0 : Math.min(LONGEST_DELAY, 2 ** (failures - 2))
}
