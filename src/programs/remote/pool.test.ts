import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { ScriptedPeer } from '../../../test/support/scripted-peer.ts'
import { scriptedPeer } from '../../../test/support/scripted-peer.ts'
import { SmtpSocket } from '../../io/smtp-socket.ts'
import type { Session } from './pool.ts'
import { Pool } from './pool.ts'

const LIMITS = { idleMs: 60_000, ageMs: 1_000, transactions: 3, most: 2 }

async function sessionTo(peer: ScriptedPeer, used = 1): Promise<Session> {
  const socket = connect(peer.port, '127.0.0.1')
  await once(socket, 'connect')
  const candidate = { name: 'x.test', address: '127.0.0.1', port: peer.port, preference: 0 }
  const peerOf = { extensions: new Map<string, string>() }
  return { socket: new SmtpSocket(socket), candidate, peer: peerOf, openedAt: 0, used }
}

async function setUp(t: TestContext, ...script: readonly string[]) {
  const peer = await scriptedPeer(script)
  t.after(() => peer.close())
  const clock = { now: 0 }
  const pool = new Pool(() => clock.now, LIMITS)
  t.after(() => pool.close())
  return { peer, pool, clock }
}

test('a connection is kept for its site, and given out once', async (t) => {
  const { peer, pool } = await setUp(t, 'wait')
  const session = await sessionTo(peer)
  pool.give('site', session)
  assert.equal(pool.take('other'), undefined)
  assert.equal(pool.take('site'), session)
  assert.equal(pool.take('site'), undefined)
  session.socket.destroy()
})

test('a connection that is old or worn is not kept', async (t) => {
  const { peer, pool, clock } = await setUp(t, 'wait')
  pool.give('site', await sessionTo(peer, LIMITS.transactions))
  assert.equal(pool.size, 0)
  clock.now = LIMITS.ageMs
  pool.give('site', await sessionTo(peer))
  assert.equal(pool.size, 0)
})

test('beyond the limit the one that was idle longest is let go', async (t) => {
  const { peer, pool } = await setUp(t, 'wait')
  const sessions = [await sessionTo(peer), await sessionTo(peer), await sessionTo(peer)]
  for (const session of sessions) pool.give('site', session)
  assert.equal(pool.size, LIMITS.most)
  assert.equal(pool.take('site'), sessions[2])
  sessions[2]?.socket.destroy()
})

test('a connection on which the host has spoken meanwhile is not used again', async (t) => {
  const { peer, pool } = await setUp(t, 'C: NOOP', 'S: 421 bye', 'wait')
  const session = await sessionTo(peer)
  session.socket.say(['NOOP'])
  await session.socket.hear(1_000)
  assert.equal(session.socket.quiet, true)
  pool.give('site', session)
  session.socket.destroy()
  assert.equal(pool.take('site'), undefined)
})
