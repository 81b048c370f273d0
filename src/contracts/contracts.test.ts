/** The contracts between programs: what they take, and what a hostile peer cannot say. */

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { accountName, agentAnswer, launcherRequest } from './account.ts'
import { controlEnd, controlItem, controlRequest } from './control.ts'
import { localRequest, mailboxAnswer, remoteRequest, siteNotice } from './delivery.ts'
import { recipientOutcome } from './outcome.ts'
import { POSTERN_USERS, PROGRAMS, permissionFlags } from './programs.ts'
import type { Shape } from './shape.ts'
import {
  MOST_RECIPIENTS_IN_BATCH,
  queueRequest,
  recipientAnswer,
  recipientBatch,
  submissionAnswer,
  submissionCommit,
} from './submission.ts'
import { handover, hello, settingsAnswer, status } from './supervision.ts'

/** Values that must come through unchanged. */
const kept: readonly (readonly [string, Shape<unknown>, unknown])[] = [
  [
    'a delivery',
    recipientOutcome,
    { recipient: 3, outcome: { kind: 'delivered', status: '2.0.0', text: 'stored' } },
  ],
  ['a submission', queueRequest, { type: 'submit', announcedSize: 4_096 }],
  ['a question', queueRequest, { type: 'recipient', address: 'joe@example.org' }],
  [
    'recipients',
    recipientBatch,
    {
      recipients: [
        { address: 'a@b.test', notify: ['never'], originalRecipient: 'rfc822;a@b.test' },
      ],
    },
  ],
  ['an answer', submissionAnswer, { kind: 'accepted', queueId: '4FJ2K9QX1M' }],
  ['a refusal', submissionAnswer, { kind: 'deferred', status: '4.3.1', text: 'disk full' }],
  ['an unsure answer', recipientAnswer, { kind: 'unsure', because: 'the directory is down' }],
  ['a mailbox question', localRequest, { type: 'mailbox', mailbox: '/srv/mail/joe/' }],
  ['a mailbox answer', mailboxAnswer, { kind: 'missing' }],
  [
    'a site',
    siteNotice,
    { type: 'site', domain: 'example.org', site: 'mx.example.org', ttlSeconds: 60 },
  ],
  ['an account question', launcherRequest, { type: 'account', name: 'joe' }],
  [
    'an agent request',
    launcherRequest,
    { type: 'agent', token: 1, agent: { kind: 'spool', name: 'joe' } },
  ],
  ['an agent dismissal', launcherRequest, { type: 'dismissed', token: 1 }],
  ['an agent answer', agentAnswer, { kind: 'failed', status: '5.1.1', text: 'no such account' }],
  ['a control request', controlRequest, { type: 'remove', selection: { sender: 'a@b.test' } }],
  ['a control item', controlItem, { item: 'content', bytes: 'x' }],
  ['a control end', controlEnd, { end: 'done', affected: 2 }],
  ['a greeting', hello, { release: '0.1.0-abc', program: 'queue' }],
  ['a status', status, { status: 'cannot', why: 'no disk' }],
  ['a handover', handover, { handover: 'partner', program: 'receiver', index: 1 }],
]

suite('what programs say to each other comes through unchanged', () => {
  for (const [name, shape, value] of kept) {
    test(name, () => assert.deepEqual(shape(value), { ok: true, value }))
  }
})

const outcome = (kind: string, code: unknown) => ({
  recipient: 0,
  outcome: { kind, status: code, text: '' },
})

/** Values that must be refused, and what it would mean to take them. */
const refused: readonly (readonly [string, Shape<unknown>, unknown])[] = [
  [
    'a permanent status on a deferral would bounce what should be retried',
    recipientOutcome,
    outcome('deferred', '5.1.1'),
  ],
  [
    'a temporary status on a failure would return what should be retried',
    recipientOutcome,
    outcome('failed', '4.1.1'),
  ],
  ['a status with leading zeros is not RFC 3463', recipientOutcome, outcome('failed', '5.01.1')],
  [
    'a status with a line end would forge a report',
    recipientOutcome,
    outcome('failed', '5.1.1\nX'),
  ],
  ['an outcome of no kind', recipientOutcome, outcome('lost', '5.0.0')],
  [
    'a recipient that is no number',
    recipientOutcome,
    { ...outcome('delivered', '2.0.0'), recipient: '0' },
  ],
  [
    'too many recipients at once',
    recipientBatch,
    {
      recipients: Array.from({ length: MOST_RECIPIENTS_IN_BATCH + 1 }, () => ({
        address: 'a@b.test',
      })),
    },
  ],
  ['an address without end', queueRequest, { type: 'recipient', address: 'a'.repeat(100_000) }],
  [
    'a commit without an origin',
    submissionCommit,
    { reversePath: '', prepend: '', body: '7bit', smtputf8: false },
  ],
  ['a uid for an account name', accountName, '0'],
  ['a signed uid for an account name', accountName, '+0'],
  ['a path for an account name', accountName, '../root'],
  ['a line of the account database for a name', accountName, 'joe\nroot'],
  ['an account in capitals', accountName, 'Joe'],
  [
    'an agent for root by uid',
    launcherRequest,
    { type: 'agent', token: 1, agent: { kind: 'account', name: '0' } },
  ],
  ['a dismissal of nobody', launcherRequest, { type: 'dismissed', token: 0 }],
  [
    'a port beyond the last',
    remoteRequest,
    {
      type: 'deliver',
      queueId: 'x',
      nextHop: { kind: 'host', host: 'h', port: 65_536 },
      reversePath: '',
      size: 1,
      recipients: [],
      body: '7bit',
      smtputf8: false,
    },
  ],
  ['a partner nobody knows', handover, { handover: 'partner', program: 'root', index: 0 }],
  ['a listing without a limit', controlRequest, { type: 'list', selection: {}, limit: 1_000_000 }],
  ['settings without parts', settingsAnswer, { kind: 'settings' }],
]

suite('refused', () => {
  for (const [name, shape, value] of refused) {
    test(name, () => assert.equal(shape(value).ok, false))
  }
})

suite('the trust table', () => {
  test('nobody but the launcher is root, and it has neither network nor files', () => {
    const roots = Object.entries(PROGRAMS).filter(([, row]) => row.user === 'root')
    assert.deepEqual(
      roots.map(([name]) => name),
      ['launcher'],
    )
    assert.equal(PROGRAMS.launcher.network, false)
    assert.deepEqual(PROGRAMS.launcher.writes, [])
  })

  test('who meets strangers reads and writes nothing and starts nobody', () => {
    for (const row of [PROGRAMS.receiver, PROGRAMS.remote]) {
      assert.deepEqual(
        [row.reads, row.writes, row.children, row.addons, row.sqlite],
        [[], [], false, false, false],
      )
    }
  })

  test('only the queue may open databases', () => {
    const able = Object.entries(PROGRAMS).filter(([, row]) => row.sqlite)
    assert.deepEqual(
      able.map(([name]) => name),
      ['queue'],
    )
  })

  test('each program that lives on has an account of its own', () => {
    assert.equal(new Set(POSTERN_USERS).size, POSTERN_USERS.length)
    assert.ok(POSTERN_USERS.every((user) => user.startsWith('postern-')))
  })

  test('flags allow what the row names and nothing beside', () => {
    const flags = permissionFlags(PROGRAMS.pickup, {
      code: '/release',
      readable: ['/drop'],
      writable: ['/drop'],
    })
    assert.deepEqual(
      flags.filter((flag) => flag.startsWith('--allow') || flag.startsWith('--no')),
      [
        '--allow-fs-read=/release',
        '--allow-fs-read=/drop',
        '--allow-fs-write=/drop',
        '--no-experimental-sqlite',
      ],
    )
    assert.ok(flags.includes('--permission'))
  })
})
