import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRESH_PACE } from '../../policy/concurrency.ts'
import type { DispatchView, LaneView } from './dispatch.ts'
import { actOf, nextStep, ownerOf, placeOfLane } from './dispatch.ts'

const noSite = () => undefined
const lane = (name: string, more: Partial<LaneView> = {}): LaneView => ({
  lane: name,
  pass: 0,
  dueAt: 0,
  due: true,
  claiming: false,
  claimed: 0,
  place: placeOfLane(name, noSite),
  ...more,
})
const VIEW: DispatchView = {
  now: 1_000_000,
  limits: { deliveries: 100, localDeliveries: 20, deliveriesPerSite: 20 },
  runningRemote: 0,
  runningLocal: 0,
  runningAt: () => 0,
  agent: () => 'warm',
  pace: () => FRESH_PACE,
  remotes: 1,
  mayClaim: true,
}
const RESTING = { ...FRESH_PACE, failures: 3, restsUntil: 2_000_000 }
const PROBING = { ...FRESH_PACE, failures: 3, restsUntil: 900_000 }
const JOE = 'local/account/joe'
const SHOP = 'local/mailboxes/shop.example'

const TABLE: readonly {
  readonly why: string
  readonly lane: LaneView
  readonly view?: Partial<DispatchView>
  readonly act: string | undefined
}[] = [
  { why: 'due mail is claimed', lane: lane(JOE), act: 'claim' },
  { why: 'claimed mail is attempted', lane: lane(JOE, { claimed: 1 }), act: 'start' },
  { why: 'one claim at a time', lane: lane(JOE, { claiming: true }), act: undefined },
  { why: 'nothing due, nothing to do', lane: lane(JOE, { due: false }), act: undefined },
  {
    why: 'no agent, so ask for one',
    lane: lane(JOE),
    view: { agent: () => 'absent' },
    act: 'agent',
  },
  {
    why: 'mail collects while it starts',
    lane: lane(JOE),
    view: { agent: () => 'starting' },
    act: undefined,
  },
  {
    why: 'refused: claim to settle',
    lane: lane(JOE),
    view: { agent: () => 'refused' },
    act: 'claim',
  },
  {
    why: 'refused: settle',
    lane: lane(JOE, { claimed: 1 }),
    view: { agent: () => 'refused' },
    act: 'settle',
  },
  {
    why: 'an account’s agent has a quarter of the local limit',
    lane: lane(JOE),
    view: { runningLocal: 5, runningAt: () => 5 },
    act: undefined,
  },
  {
    why: 'an agent in the mail spool has no more',
    lane: lane('local/spool/joe'),
    view: { runningLocal: 5, runningAt: () => 5 },
    act: undefined,
  },
  {
    why: 'virtual mailboxes may use all of it',
    lane: lane(SHOP),
    view: { runningLocal: 19, runningAt: () => 19 },
    act: 'claim',
  },
  { why: 'all local slots are taken', lane: lane(JOE), view: { runningLocal: 20 }, act: undefined },
  {
    why: 'all remote slots are taken',
    lane: lane('remote/x'),
    view: { runningRemote: 100 },
    act: undefined,
  },
  {
    why: 'hosts that are slow do not hold up local mail',
    lane: lane(JOE),
    view: { runningRemote: 100 },
    act: 'claim',
  },
  {
    why: 'agents that are slow do not hold up other hosts',
    lane: lane('remote/x'),
    view: { limits: { ...VIEW.limits, deliveries: 20 }, runningLocal: 20 },
    act: 'claim',
  },
  { why: 'the site is full', lane: lane('remote/x'), view: { runningAt: () => 5 }, act: undefined },
  {
    why: 'no remote agent is connected',
    lane: lane('remote/x'),
    view: { remotes: 0 },
    act: undefined,
  },
  {
    why: 'a resting site: claim',
    lane: lane('remote/x'),
    view: { pace: () => RESTING },
    act: 'claim',
  },
  {
    why: 'a resting site: put off',
    lane: lane('remote/x', { claimed: 1 }),
    view: { pace: () => RESTING },
    act: 'settle',
  },
  {
    why: 'after a rest a probe',
    lane: lane('remote/x', { claimed: 1 }),
    view: { pace: () => PROBING },
    act: 'start',
  },
  {
    why: 'while it is probed the others are put off',
    lane: lane('remote/x', { claimed: 1 }),
    view: { pace: () => PROBING, runningAt: () => 1 },
    act: 'settle',
  },
  { why: 'memory is full', lane: lane(JOE), view: { mayClaim: false }, act: undefined },
  { why: 'an unknown address fails', lane: lane('unknown', { claimed: 1 }), act: 'settle' },
  { why: 'a lane of no known form fails nothing by itself', lane: lane('?'), act: 'claim' },
  {
    why: 'lists leave room for notes',
    lane: lane(`${JOE} bulk`),
    view: { runningLocal: 15 },
    act: undefined,
  },
  { why: 'a note takes it', lane: lane(JOE), view: { runningLocal: 15 }, act: 'claim' },
]
for (const { why, lane, view, act } of TABLE) {
  test(`${lane.lane}, ${lane.claimed} claimed: ${act ?? 'wait'}, for ${why}`, () => {
    assert.equal(actOf(lane, { ...VIEW, ...view }), act)
  })
}

test('a lane that cannot do anything never keeps another from its turn', () => {
  const lanes = [lane('remote/dead', { pass: 0 }), lane(JOE, { pass: 99 })]
  assert.equal(nextStep(lanes, { ...VIEW, remotes: 0 })?.lane, JOE)
  assert.equal(nextStep([lanes[0] ?? lane('x')], { ...VIEW, remotes: 0 }), undefined)
})

test('domains of one site are counted together', () => {
  const site = (domain: string) => (domain.endsWith('.example') ? 'mx.big' : undefined)
  assert.deepEqual(placeOfLane('remote/a.example', site), { kind: 'remote', key: 'mx.big' })
  assert.deepEqual(placeOfLane('remote/b.example bulk', site), { kind: 'remote', key: 'mx.big' })
  assert.deepEqual(placeOfLane('remote/other', site), { kind: 'remote', key: 'remote/other' })
})

test('a site keeps its remote agent while that is there, and all agents get some', () => {
  const owners = Array.from({ length: 100 }, (_, n) => ownerOf(`site${n}`, [0, 1, 2], 3))
  assert.deepEqual(new Set(owners), new Set([0, 1, 2]))
  assert.deepEqual(
    owners,
    Array.from({ length: 100 }, (_, n) => ownerOf(`site${n}`, [2, 1, 0], 3)),
  )
  assert.equal(ownerOf('x', [1], 3), 1)
  assert.equal(ownerOf('x', [], 3), undefined)
})
