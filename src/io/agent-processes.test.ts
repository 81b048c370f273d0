import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { manualClock } from '../../test/support/manual-clock.ts'
import { collectingLog } from '../../test/support/queue-partners.ts'
import { AgentProcesses } from './agent-processes.ts'

/** A process that ends when it is killed, and says so. */
class FakeProcess extends EventEmitter {
  readonly pid = 1
  readonly signals: unknown[] = []
  kill(signal?: unknown): boolean {
    this.signals.push(signal)
    this.emit('exit', null, signal)
    return true
  }
}

function start(count: number) {
  const clock = manualClock()
  const log = collectingLog()
  const agents = new AgentProcesses(clock, log)
  const children = Array.from({ length: count }, (_, token) => {
    const child = new FakeProcess()
    agents.add(child, { token, owner: `owner${token % 2}`, name: 'joe' })
    return child
  })
  const killed = () => children.map(({ signals }) => signals.length > 0)
  return { agents, clock, log, children, killed }
}

test('an agent that is let go has ten seconds to leave, then it is killed', () => {
  const { agents, clock, log, killed } = start(3)
  agents.dismiss(1)
  agents.dismiss(77)
  clock.advance(9_999)
  assert.deepEqual(killed(), [false, false, false])
  assert.equal(agents.size, 3, 'it counts until it has ended')
  clock.advance(1)
  assert.deepEqual(killed(), [false, true, false])
  assert.equal(agents.size, 2)
  assert.equal(log.events[0]?.fields?.['how'], 'SIGKILL')
})

test('agents are counted by owner', () => {
  const { agents, children } = start(3)
  assert.deepEqual([agents.countOf('owner0'), agents.countOf('owner1')], [2, 1])
  children[0]?.emit('exit', 0, null)
  assert.deepEqual([agents.countOf('owner0'), agents.countOf('owner1')], [1, 1])
})

test('an agent that leaves by itself, or was never there, is no failure worth a second line', () => {
  const { agents, log, children } = start(2)
  children[0]?.emit('exit', 0, null)
  children[1]?.emit('error', new Error('no memory'))
  assert.equal(agents.size, 0)
  assert.deepEqual(
    log.events.map(({ fields }) => fields?.['how']),
    ['no memory'],
  )
})

test('without a queue all have a few seconds; the end waits for them and no longer', async () => {
  const patient = start(2)
  const over = patient.agents.end()
  for (const child of patient.children) child.emit('exit', 0, null)
  await over
  assert.deepEqual(patient.killed(), [false, false])
  const stopped = start(2)
  const killed = stopped.agents.end()
  stopped.clock.advance(3_999)
  assert.deepEqual(stopped.killed(), [false, false])
  stopped.clock.advance(1)
  await killed
  assert.deepEqual(stopped.killed(), [true, true])
  await start(0).agents.end()
})
