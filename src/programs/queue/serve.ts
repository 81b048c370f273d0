/**
 * Puts the parts of the queue together, and keeps house: recovery at the start, old events away
 * from time to time, an orderly end.
 */

import type { Socket } from 'node:net'
import type { ProgramName } from '../../contracts/supervision.ts'
import { Acceptor } from './accept.ts'
import { AgentPool } from './agents.ts'
import { Controller } from './control.ts'
import { Dispatcher } from './deliver.ts'
import { Endings } from './endings.ts'
import { Partners } from './partners.ts'
import { RecipientCheck } from './recipients.ts'
import { Reporter } from './report.ts'
import { Settler } from './settle.ts'
import { StoreFull } from './store/store.ts'
import type { Surroundings } from './surroundings.ts'

export interface Queue {
  partner(socket: Socket, program: ProgramName, index: number): void
  agent(socket: Socket, token: number): void
  /** The settings have changed. */
  reload(): void
  /** Takes nothing new; resolves when what runs has ended, or after so many seconds. */
  finish(withinSeconds: number): Promise<void>
  /** Recipients in memory, for tests of what memory holds. */
  readonly claimed: number
}

const SLICE = 500
const RECOVER_DELAY = 10_000
const PURGE_INTERVAL = 600_000
const PURGE_BREATH = 50
const FINISH_LOOK = 50

/** Removes what never became mail, and begins to work. */
export async function startQueue(surroundings: Surroundings): Promise<Queue> {
  const parts = assemble(surroundings)
  await recover(surroundings, () => parts.dispatcher.refresh())
  parts.dispatcher.refresh()
  parts.reporter.resume()
  keepHouse(surroundings, () => {
    parts.reporter.resume()
    void recover(surroundings, () => parts.dispatcher.refresh()).catch(surroundings.onStoreFailure)
  })
  return queueOf(surroundings, parts)
}

/** On a full disk mail that is whole is delivered first, and the rest put in order later. */
async function recover(surroundings: Surroundings, onRecovered: () => void): Promise<void> {
  const { store, log, clock, onStoreFailure } = surroundings
  let removed = 0
  try {
    for (let count = await store.recover(SLICE); count > 0; count = await store.recover(SLICE)) {
      removed += count
    }
  } catch (error) {
    if (!(error instanceof StoreFull)) throw error
    log.write({ event: 'disk-full', fields: { text: 'what was unfinished is put in order later' } })
    const again = () => void recover(surroundings, onRecovered).catch(onStoreFailure)
    clock.after(RECOVER_DELAY, again)
  }
  if (removed === 0) return
  log.write({ event: 'recovered', fields: { unfinished: removed } })
  onRecovered()
}

function assemble(surroundings: Surroundings) {
  const mailFor = (lanes: Iterable<string>) => dispatcher.mailFor(lanes)
  const onChange = () => dispatcher.wake()
  const agents = new AgentPool(surroundings, { launcher: () => partners.launcher, onChange })
  const endings = new Endings(surroundings)
  const reporter = new Reporter(surroundings, endings, mailFor)
  const settler = new Settler(surroundings, endings, {
    onDue: (at) => dispatcher.dueAt(at),
    onReportable: (queueIds) => reporter.add(queueIds),
    onSettled: onChange,
  })
  const dispatcher: Dispatcher = new Dispatcher(surroundings, () => ({
    agents,
    settler,
    remotes: partners.remotes,
  }))
  const acceptor = new Acceptor(surroundings, mailFor)
  const recipients = new RecipientCheck(surroundings, {
    launcher: () => partners.launcher,
    agents: () => agents,
  })
  const controller = new Controller(surroundings, {
    onDue: () => dispatcher.retryNow(),
    onRemoved: () => reporter.resume(),
  })
  const partners: Partners = new Partners(surroundings, {
    submit: (stream, head, submitter) => acceptor.accept(stream, head, submitter),
    check: (address) => recipients.check(address),
    control: (stream, request) => controller.answer(stream, request),
    onSite: (notice) => dispatcher.learnSite(notice),
    onChange,
  })
  return { agents, reporter, settler, dispatcher, acceptor, recipients, partners }
}

type Parts = ReturnType<typeof assemble>

function queueOf(surroundings: Surroundings, parts: Parts): Queue {
  const { agents, reporter, settler, dispatcher, acceptor, recipients, partners } = parts
  const busy = () =>
    dispatcher.running > 0 || settler.pending > 0 || acceptor.open > 0 || reporter.busy
  return {
    partner: (socket, program, index) => partners.connect(socket, program, index),
    agent: (socket, token) => agents.arrived(token, socket),
    reload: () => {
      recipients.forget()
      dispatcher.refresh()
    },
    finish: async (withinSeconds) => {
      acceptor.stop()
      dispatcher.stop()
      reporter.stop()
      await idle(surroundings, busy, withinSeconds)
      agents.closeAll()
      partners.closeAll()
    },
    get claimed() {
      return dispatcher.claimed
    },
  }
}

function idle({ clock }: Surroundings, busy: () => boolean, withinSeconds: number): Promise<void> {
  const end = clock.now() + withinSeconds * 1000
  return new Promise((resolve) => {
    const look = () => {
      if (!busy() || clock.now() >= end) resolve()
      else clock.after(FINISH_LOOK, look)
    }
    look()
  })
}

/** Every so often: events of messages long gone are deleted, slice by slice. */
function keepHouse(surroundings: Surroundings, onRound: () => void): void {
  const { store, clock, settings, onStoreFailure } = surroundings
  const slice = () => {
    const before = clock.now() - settings().log.keepEvents * 1000
    store.purgeEvents(before, SLICE).then(
      (count) => clock.after(count >= SLICE ? PURGE_BREATH : PURGE_INTERVAL, round),
      (error: unknown) => {
        if (error instanceof StoreFull) clock.after(PURGE_INTERVAL, round)
        else onStoreFailure(error)
      },
    )
  }
  const round = () => {
    onRound()
    slice()
  }
  clock.after(PURGE_INTERVAL, round)
}
