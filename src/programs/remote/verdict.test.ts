import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { outcome } from '../../contracts/outcome.ts'
import { outcomeOfReply } from './verdict.ts'

for (const [code, text, asked, expected, why] of [
  [250, '2.1.5 ok', 'message', 'delivered 2.1.5', 'the enhanced status is taken over'],
  [250, 'ok', 'message', 'delivered 2.0.0', 'there is none'],
  [550, '5.1.1 no', 'recipient', 'failed 5.1.1', 'permanent'],
  [550, '4.1.1 no', 'recipient', 'failed 5.0.0', 'code and status disagree: the code decides'],
  [450, 'later', 'recipient', 'deferred 4.0.0', 'temporary'],
  [452, 'many', 'recipient', 'deferred 4.5.3', 'too many recipients'],
  [452, 'full', 'message', 'deferred 4.3.1', 'no room'],
  [552, 'many', 'recipient', 'deferred 4.5.3', '552 that means 452'],
  [552, '5.5.3 many', 'recipient', 'deferred 4.5.3', '552 that means 452, and says so'],
  [552, '5.2.2 full', 'recipient', 'failed 5.2.2', '552 that means what it says'],
  [552, 'big', 'sender', 'failed 5.3.4', 'too large'],
  [421, 'bye', 'message', 'deferred 4.3.2', 'shutting down'],
  [354, 'go', 'recipient', 'deferred 4.5.0', 'an answer to another question'],
  [250, 'ok', 'data', 'deferred 4.5.0', 'DATA is answered 354 or refused'],
  [599, 'odd', 'message', 'failed 5.0.0', 'an unlisted code of a known class'],
  [499, 'odd', 'message', 'deferred 4.0.0', 'an unlisted temporary code'],
] as const) {
  test(`${code} ${text} to ${asked} is ${expected}: ${why}`, () => {
    const { kind, status } = outcomeOfReply({ code, lines: [text] }, asked, 'mx.test')
    assert.equal(`${kind} ${status}`, expected)
  })
}

test('law: every reply to every question makes an outcome that the queue takes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 599 }),
      fc.string({ unit: 'binary', maxLength: 2_000 }),
      fc.constantFrom('sender', 'recipient', 'data', 'message'),
      (code, text, asked) => {
        const made = outcomeOfReply({ code, lines: [text] }, asked, 'mx.test [192.0.2.1]:25')
        assert.equal(outcome(made).ok, true)
      },
    ),
  )
})
