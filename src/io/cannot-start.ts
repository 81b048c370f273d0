/**
 * Why the supervisor gives up: what it tells the administrator, and its exit code (sysexits).
 */

export const EXIT = {
  usage: 64,
  noInput: 66,
  unavailable: 69,
  fault: 70,
  denied: 77,
  configuration: 78,
} as const

export class CannotStart extends Error {
  override readonly name = 'CannotStart'
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}
