/**
 * Something `postern setup` sees to: it looks first, acts only where something is missing or wrong, and says
 * which it was. So it can be run any number of times.
 */

export interface Step {
  /** `directory /run/postern, mode 0755`. */
  readonly what: string
  readonly isDone: () => boolean | Promise<boolean>
  readonly perform: () => void | Promise<void>
}

export type StepResult = 'right already' | 'done' | 'would be done'

export async function take(step: Step, dryRun: boolean): Promise<StepResult> {
  if (await isDone(step, dryRun)) return 'right already'
  if (dryRun) return 'would be done'
  await step.perform()
  return 'done'
}

/** What an earlier step would have made is missing in a dry run; then this one would be done, too. */
async function isDone(step: Step, dryRun: boolean): Promise<boolean> {
  if (!dryRun) return step.isDone()
  try {
    return await step.isDone()
  } catch {
    return false
  }
}
