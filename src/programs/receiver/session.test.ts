import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from '../../protocol/smtp/command.ts'
import { VERBS } from '../../protocol/smtp/command.ts'
import { REPLY } from '../../protocol/smtp/reply.ts'
import type { Session, SessionPolicy } from './session.ts'
import {
  contentAnswered,
  contentRefused,
  FRESH,
  isBetweenTransactions,
  recipientAnswered,
  step,
} from './session.ts'

const policy: SessionPolicy = {
  hostname: 'mail.example.org',
  messageSize: 1_000,
  recipientsPerMessage: 2,
  sessionErrors: 3,
  relaying: ({ domain }) =>
    domain === 'ours.test'
      ? { kind: 'ours', because: 'domains' }
      : { kind: domain === 'denied.test' ? 'denied' : 'accepted', because: 'relay.from' },
}

const traits = { body: '7bit', smtputf8: false } as const
const hello = { name: 'client.test', extended: true }
const READY: Session = { phase: 'ready', hello, errors: 0 }
const ADDRESSED: Session = {
  phase: 'addressed',
  hello,
  errors: 0,
  envelope: { reversePath: 'a@b.test', traits, recipients: [] },
}
const FILLED: Session = {
  ...ADDRESSED,
  envelope: { ...ADDRESSED.envelope, recipients: [{ address: 'joe@ours.test' }] },
}
const CHUNKED: Session = { ...FILLED, phase: 'chunked' }

const mail: Command = { verb: 'MAIL', reversePath: 'a@b.test', parameters: traits }
const rcpt = (domain: string): Command => ({
  verb: 'RCPT',
  forwardPath: { localPart: 'joe', domain },
  parameters: {},
})

test('MAIL opens a transaction, with what the parameters say', () => {
  const parameters = { ...traits, size: 1_000, ret: 'full' } as const
  const { session, effect } = step(READY, { ...mail, parameters }, policy)
  assert.deepEqual(effect, { kind: 'reply', reply: REPLY.senderOk })
  assert.deepEqual(session, {
    ...ADDRESSED,
    envelope: {
      reversePath: 'a@b.test',
      traits: { ...traits, ret: 'full' },
      announcedSize: 1_000,
      recipients: [],
    },
  })
})

test('RCPT to a domain of ours asks, elsewhere the relay policy has the word', () => {
  const ours = step(ADDRESSED, rcpt('ours.test'), policy)
  assert.deepEqual(ours.effect, { kind: 'check', recipient: { address: 'joe@ours.test' } })
  assert.deepEqual(ours.session, ADDRESSED)
  const denied = step(ADDRESSED, rcpt('denied.test'), policy)
  assert.deepEqual(denied.effect, { kind: 'reply', reply: REPLY.relayingDenied })
  assert.deepEqual(denied.refused, { recipient: 'joe@denied.test', because: 'relay.from' })
  const accepted = step(ADDRESSED, rcpt('else.test'), policy)
  assert.deepEqual(accepted.session, {
    ...ADDRESSED,
    envelope: { ...ADDRESSED.envelope, recipients: [{ address: 'joe@else.test' }] },
  })
})

test('only a refusal for good is counted as an error', () => {
  const because = 'x'
  const answered = (kind: 'known' | 'unknown' | 'unsure') =>
    recipientAnswered(ADDRESSED, { address: 'joe@ours.test' }, { kind, because }, policy)
  assert.deepEqual(answered('known').session, FILLED)
  assert.deepEqual(answered('unsure').session, ADDRESSED)
  assert.deepEqual(answered('unknown').session, { ...ADDRESSED, errors: 1 })
})

test('the last error allowed gets its own reply, then the session ends', () => {
  const { effect } = step({ ...FRESH, errors: 2 }, { verb: 'unknown' }, policy)
  assert.deepEqual(effect, {
    kind: 'close',
    replies: [REPLY.unknownCommand, REPLY.tooManyErrors],
  })
})

test('the end of the content ends the transaction, whatever became of it', () => {
  const answers = [
    [{ kind: 'accepted', queueId: 'K1' }, '250 queued as K1'],
    [{ kind: 'deferred', status: '4.3.1', text: 'full' }, '452 full'],
    [{ kind: 'failed', status: '5.6.0', text: 'bad' }, '554 bad'],
  ] as const
  for (const [answer, said] of answers) {
    for (const before of [FILLED, CHUNKED]) {
      const { session: after, effect } = contentAnswered(before, answer)
      assert.deepEqual(after, READY)
      assert.equal(effect.kind === 'reply' && `${effect.reply.code} ${effect.reply.text}`, said)
    }
  }
})

test('line ends that cannot be trusted end the session, other problems only the transaction', () => {
  assert.equal(contentRefused(FILLED, 'bare LF').effect.kind, 'close')
  assert.equal(contentRefused(FILLED, 'NUL').effect.kind, 'close')
  assert.deepEqual(contentRefused(FILLED, 'looping').effect, {
    kind: 'reply',
    reply: REPLY.looping,
  })
  assert.deepEqual(contentRefused(FILLED, 'too large').session, READY)
})

/** What each command may do in each phase: a reply code, or the effect. */
test('the table of commands and phases', () => {
  const commands: Readonly<Record<(typeof VERBS)[number], Command>> = {
    HELO: { verb: 'HELO', name: 'x' },
    EHLO: { verb: 'EHLO', name: 'x' },
    MAIL: mail,
    RCPT: rcpt('ours.test'),
    DATA: { verb: 'DATA' },
    BDAT: { verb: 'BDAT', size: 1, last: true },
    RSET: { verb: 'RSET' },
    NOOP: { verb: 'NOOP' },
    VRFY: { verb: 'VRFY' },
    EXPN: { verb: 'EXPN' },
    HELP: { verb: 'HELP' },
    QUIT: { verb: 'QUIT' },
  }
  const phases = [FRESH, READY, ADDRESSED, FILLED, CHUNKED]
  const table: Readonly<Record<(typeof VERBS)[number], string>> = {
    HELO: '250 250 250 250 250',
    EHLO: '250 250 250 250 250',
    MAIL: '503 250 503 503 503',
    RCPT: '503 503 check check 503',
    DATA: '503 503 503 data 503',
    BDAT: 'drop drop drop chunk chunk',
    RSET: '250 250 250 250 250',
    NOOP: '250 250 250 250 250',
    VRFY: '252 252 252 252 252',
    EXPN: '502 502 502 502 502',
    HELP: '214 214 214 214 214',
    QUIT: 'close close close close close',
  }
  for (const verb of VERBS) {
    const row = phases.map((session) => {
      const { effect } = step(session, commands[verb], policy)
      return effect.kind === 'reply' ? effect.reply.code : effect.kind
    })
    assert.equal(row.join(' '), table[verb], verb)
  }
})

test('RSET and EHLO end a transaction, RSET before EHLO changes nothing', () => {
  for (const command of [{ verb: 'RSET' }, { verb: 'EHLO', name: 'client.test' }] as const) {
    for (const session of [READY, FILLED, CHUNKED]) {
      const turn = step(session, command, policy)
      assert.deepEqual(turn.session, READY)
    }
  }
  assert.deepEqual(step(FRESH, { verb: 'RSET' }, policy).session, FRESH)
  assert.deepEqual([FRESH, READY, FILLED, CHUNKED].map(isBetweenTransactions), [
    true,
    true,
    false,
    false,
  ])
})
