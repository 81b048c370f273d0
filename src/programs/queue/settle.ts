/**
 * Writes verdicts down: all those of one turn of the event loop in one call to the store, which puts
 * calls made at the same time into one commit. What became of a recipient is logged after the commit
 * and not before. Where the disk is full they are kept and written later.
 */

import type { Endings } from './endings.ts'
import type { QueueId } from './store/store.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'
import type { Verdict } from './verdict.ts'

export interface SettlerListener {
  /** A recipient waits until then. */
  readonly onDue: (at: number) => void
  /** These messages have something to report. */
  readonly onReportable: (queueIds: readonly QueueId[]) => void
  /** A batch has been written; there is room for more. */
  readonly onSettled: () => void
}

/** Milliseconds until a full disk is tried again. What is known of recipients is kept meanwhile. */
const DISK_FULL_DELAY = 10_000
/** Verdicts in one call to the store: a little room lets some of them through. */
const MOST_IN_BATCH = 500

export class Settler {
  readonly #surroundings: Surroundings
  readonly #listener: SettlerListener
  readonly #endings: Endings
  #waiting: Verdict[] = []
  #pending = 0
  /** `soon`: written at the end of this turn. `resting`: the disk is full. */
  #phase: 'idle' | 'soon' | 'resting' = 'idle'

  constructor(surroundings: Surroundings, endings: Endings, listener: SettlerListener) {
    this.#surroundings = surroundings
    this.#endings = endings
    this.#listener = listener
  }

  /** Verdicts not yet written. */
  get pending(): number {
    return this.#pending
  }

  add(verdict: Verdict): void {
    this.#pending += 1
    this.#waiting.push(verdict)
    if (this.#phase !== 'idle') return
    this.#phase = 'soon'
    setImmediate(() => {
      if (this.#phase === 'soon') this.#flush()
    })
  }

  #flush(): void {
    this.#phase = 'idle'
    while (this.#waiting.length > 0) void this.#write(this.#waiting.splice(0, MOST_IN_BATCH))
  }

  async #write(batch: readonly Verdict[]): Promise<void> {
    const { log, clock, onStoreFailure } = this.#surroundings
    try {
      await this.#settle(batch)
      this.#pending -= batch.length
      this.#listener.onSettled()
    } catch (error) {
      if (!(error instanceof StoreFull)) return onStoreFailure(error)
      this.#waiting.unshift(...batch)
      if (this.#phase === 'resting') return
      this.#phase = 'resting'
      log.write({ event: 'disk-full', fields: { text: 'outcomes are written down later' } })
      clock.after(DISK_FULL_DELAY, () => this.#flush())
    }
  }

  async #settle(batch: readonly Verdict[]): Promise<void> {
    const { store, clock } = this.#surroundings
    const settlements = batch.map(({ settlement }) => settlement)
    const reportable = await store.settle(settlements, clock.now())
    for (const verdict of batch) this.#tell(verdict)
    this.#listener.onReportable(reportable)
    const done = batch.filter(({ settlement }) => settlement.kind === 'delivered')
    await this.#endings.look(new Set(done.map(({ recipient }) => recipient.queueId)))
  }

  #tell({ recipient, settlement, event }: Verdict): void {
    if ('nextAttemptAt' in settlement) this.#listener.onDue(settlement.nextAttemptAt)
    if (event === undefined) return
    const { queueId } = recipient
    this.#surroundings.log.write({ event: event.name, queueId, fields: event.fields })
  }
}
