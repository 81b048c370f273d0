import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RemoteDelivery } from '../../contracts/delivery.ts'
import type { Action, Turn } from './dialogue.ts'
import { hearReply, lostAtTheEnd, startDialogue, timeoutOf } from './dialogue.ts'

const RECIPIENTS = [
  { recipient: 0, address: 'a@x.test' },
  { recipient: 1, address: 'b@x.test' },
]
const DELIVERY: RemoteDelivery = {
  type: 'deliver',
  queueId: 'Q1',
  nextHop: { kind: 'mx', domain: 'x.test' },
  reversePath: 's@y.test',
  size: 10,
  recipients: RECIPIENTS,
  body: '7bit',
  smtputf8: false,
}

function start(pipelining: boolean): Turn {
  const extensions = new Map(pipelining ? [['PIPELINING', '']] : [])
  return startDialogue(DELIVERY, RECIPIENTS, { peer: { extensions }, host: 'mx.test' })
}

/** Plays the codes; answers what was done at each step, and the verdicts. */
function play(pipelining: boolean, ...codes: readonly number[]) {
  let turn = start(pipelining)
  const done = [told(turn.action)]
  const verdicts = new Map(turn.verdicts.map((v) => [v.recipient, v.outcome.kind]))
  for (const code of codes) {
    turn = hearReply(turn.dialogue, { code, lines: ['x'] })
    done.push(told(turn.action))
    for (const { recipient, outcome } of turn.verdicts) {
      assert.equal(verdicts.has(recipient), false, 'two verdicts')
      verdicts.set(recipient, outcome.kind)
    }
  }
  return { done, verdicts: [verdicts.get(0), verdicts.get(1)], turn }
}

function told(action: Action): string {
  if (action.do === 'say') return action.lines.map((line) => line.slice(0, 4)).join(' ')
  return action.do === 'end' ? action.connection : action.do
}

for (const [pipelining, codes, done, verdicts] of [
  [
    false,
    [250, 250, 250, 354, 250],
    'MAIL|RCPT|RCPT|DATA|send content|keep',
    'delivered delivered',
  ],
  [false, [250, 550, 250, 354, 250], 'MAIL|RCPT|RCPT|DATA|send content|keep', 'failed delivered'],
  [false, [250, 550, 450, 250], 'MAIL|RCPT|RCPT|RSET|keep', 'failed deferred'],
  [false, [550], 'MAIL|keep', 'failed failed'],
  [false, [250, 250, 250, 451, 250], 'MAIL|RCPT|RCPT|DATA|RSET|keep', 'deferred deferred'],
  [false, [250, 421], 'MAIL|RCPT|go elsewhere', '- -'],
  [false, [250, 354], 'MAIL|RCPT|close', 'deferred deferred'],
  [
    true,
    [250, 250, 250, 354, 250],
    'MAIL RCPT RCPT DATA||||send content|keep',
    'delivered delivered',
  ],
  [true, [250, 550, 550, 554, 250], 'MAIL RCPT RCPT DATA||||RSET|keep', 'failed failed'],
  [true, [250, 550, 450, 354, 250], 'MAIL RCPT RCPT DATA||||.|keep', 'failed deferred'],
  [true, [452, 503, 503, 503], 'MAIL RCPT RCPT DATA||||keep', 'deferred deferred'],
  [true, [550, 503, 250, 354, 554], 'MAIL RCPT RCPT DATA||||.|keep', 'failed failed'],
  [true, [250, 550, 421], 'MAIL RCPT RCPT DATA|||go elsewhere', 'failed -'],
  [true, [250, 550, 550, 421], 'MAIL RCPT RCPT DATA||||close', 'failed failed'],
  [
    true,
    [250, 250, 250, 354, 421],
    'MAIL RCPT RCPT DATA||||send content|close',
    'deferred deferred',
  ],
  [true, [250, 250, 250, 250], 'MAIL RCPT RCPT DATA||||close', 'deferred deferred'],
] as const) {
  test(`${pipelining ? 'pipelined' : 'in turn'}, ${codes.join(' ')}: ${verdicts}`, () => {
    const result = play(pipelining, ...codes)
    assert.equal(result.done.join('|'), done)
    assert.equal(result.verdicts.map((kind) => kind ?? '-').join(' '), verdicts)
  })
}

test('each reply has the time limit of its command', () => {
  let { dialogue } = start(true)
  const limits = [timeoutOf(dialogue)]
  for (const code of [250, 250, 250, 354]) {
    dialogue = hearReply(dialogue, { code, lines: [] }).dialogue
    limits.push(timeoutOf(dialogue))
  }
  assert.deepEqual(limits, ['mail', 'rcpt', 'rcpt', 'data', 'dataEnd'])
})

test('a connection lost after the content warns of a duplicate, for those who were taken only', () => {
  const { turn } = play(true, 250, 550, 250, 354)
  const { verdicts } = lostAtTheEnd(turn.dialogue, 'reset')
  assert.deepEqual(
    verdicts.map(({ recipient, outcome }) => [recipient, outcome.status]),
    [[1, '4.4.2']],
  )
  assert.match(verdicts[0]?.outcome.text ?? '', /duplicate/)
})

test('law: whatever is replied, nobody gets two verdicts, and an end leaves nobody without one', () => {
  const code = fc.oneof(
    fc.constantFrom(250, 354, 450, 550, 421),
    fc.integer({ min: 200, max: 599 }),
  )
  fc.assert(
    fc.property(fc.boolean(), fc.array(code, { maxLength: 12 }), (pipelining, codes) => {
      const { verdicts, done, turn } = play(pipelining, ...untilEnd(pipelining, codes))
      const last = done.at(-1)
      if (last === 'keep' || last === 'close') assert.ok(!verdicts.includes(undefined))
      const delivered = verdicts.includes('delivered')
      assert.ok(!delivered || done.includes('send content'))
      assert.deepEqual(
        turn.dialogue.undecided,
        [0, 1].filter((recipient) => verdicts[recipient] === undefined),
      )
    }),
  )
})

/** The codes up to the one that ends the dialogue. */
function untilEnd(pipelining: boolean, codes: readonly number[]): readonly number[] {
  let turn = start(pipelining)
  for (const [at, code] of codes.entries()) {
    turn = hearReply(turn.dialogue, { code, lines: [] })
    if (turn.action.do === 'end' || turn.action.do === 'go elsewhere') return codes.slice(0, at + 1)
  }
  return codes
}
