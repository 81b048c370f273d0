/**
 * Asks the running Postern, through one of the console's doors.
 *
 * Items are handed on one by one, and not read faster than they are taken. What goes wrong is a value: an
 * exit code of sysexits and a sentence that says what to do next.
 */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ControlEnd, ControlItem, ControlRequest } from '../../contracts/control.ts'
import { controlEnd, controlItem } from '../../contracts/control.ts'
import { DOOR_FILES } from '../../contracts/supervision.ts'
import { formatJsonLine, LineReader, parseJsonLine } from '../../io/lines.ts'
import type { Result } from '../../protocol/result.ts'
import { ok, refused } from '../../protocol/result.ts'

export interface Trouble {
  readonly exitCode: number
  readonly text: string
}

export type Done = Extract<ControlEnd, { readonly end: 'done' }>
export type DoorName = keyof typeof DOOR_FILES

const EX_UNAVAILABLE = 69
const EX_NOPERM = 77
const LONGEST_ANSWER = 1_048_576
/** Milliseconds until a question gets its first word; what follows may wait for whoever reads it. */
const FIRST_WORD = 10_000
/** Acting upon a million recipients takes its time. */
const SILENCE = 600_000
const NO_ANSWER =
  'Postern has not answered in time: its queue is being started, or is stuck. Its log says why; then ask again.'

/** `patience`: milliseconds until the first word, where the usual time does not fit. */
export async function ask(
  door: { readonly run: string; readonly name: DoorName; readonly patience?: number },
  request: ControlRequest,
  onItem: (item: ControlItem) => void | Promise<void> = () => undefined,
): Promise<Result<Done, Trouble>> {
  const path = join(door.run, DOOR_FILES[door.name])
  const socket = connect(path)
  const acts = request.type === 'retry' || request.type === 'remove'
  const patience = acts ? SILENCE : (door.patience ?? FIRST_WORD)
  socket.setTimeout(patience, () => socket.destroy(new Error(NO_ANSWER)))
  try {
    await once(socket, 'connect')
    socket.write(formatJsonLine(request))
    return await readAnswer(socket, onItem)
  } catch (error) {
    return refused(explain(error as NodeJS.ErrnoException, path))
  } finally {
    socket.destroy()
  }
}

async function readAnswer(
  socket: Socket,
  onItem: (item: ControlItem) => void | Promise<void>,
): Promise<Result<Done, Trouble>> {
  const lines = new LineReader(LONGEST_ANSWER)
  for await (const bytes of socket) {
    socket.setTimeout(SILENCE)
    const complete = lines.read(bytes as Buffer)
    if (complete === undefined) break
    for (const line of complete) {
      const value = parseJsonLine(line)
      const end = controlEnd(value)
      if (end.ok) {
        return end.value.end === 'done'
          ? ok(end.value)
          : refused({ exitCode: EX_UNAVAILABLE, text: end.value.why })
      }
      const item = controlItem(value)
      if (item.ok) await onItem(item.value)
    }
  }
  return refused({
    exitCode: EX_UNAVAILABLE,
    text: 'Postern ended the conversation in the middle: it is stopping, or the answer was too long for it',
  })
}

function explain(error: NodeJS.ErrnoException, path: string): Trouble {
  if (error.code === 'EACCES') {
    return {
      exitCode: EX_NOPERM,
      text: `${path} is for root and for members of the group postern`,
    }
  }
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return {
      exitCode: EX_UNAVAILABLE,
      text: `Postern does not run, or not yet: nothing answers at ${path} (which one is meant can be said by --config FILE or --run DIR)`,
    }
  }
  return { exitCode: EX_UNAVAILABLE, text: `${path}: ${error.message}` }
}
