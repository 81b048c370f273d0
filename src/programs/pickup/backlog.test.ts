import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog } from './backlog.ts'

const anyone = () => true

function filled(limits: { perUser: number; inTurn: number; later: number }, names: string) {
  const backlog = new Backlog(limits)
  for (const [at, uid] of names.split('').entries())
    backlog.offer({ name: `${uid}${at}`, uid: Number(uid) })
  return backlog
}

function drain(backlog: Backlog, may: (uid: number) => boolean = anyone): string {
  let order = ''
  for (let entry = backlog.next(may); entry !== undefined; entry = backlog.next(may))
    order += entry.uid
  return order
}

test('users take turns, whatever order their files came in', () => {
  assert.equal(drain(filled({ perUser: 9, inTurn: 99, later: 9 }, '111122')), '121211')
})

test('a user over the limit waits with the rest until everybody else has been served', () => {
  assert.equal(drain(filled({ perUser: 2, inTurn: 99, later: 9 }, '11111222')), '12121211')
})

test('a user who may have no more taken is passed over', () => {
  const backlog = filled({ perUser: 9, inTurn: 99, later: 9 }, '1112')
  assert.equal(
    drain(backlog, (uid) => uid !== 1),
    '2',
  )
  assert.equal(drain(backlog), '111')
})

test('what finds no room is left for the next scan', () => {
  const backlog = filled({ perUser: 2, inTurn: 3, later: 1 }, '111122')
  assert.equal(backlog.incomplete, true)
  assert.equal(backlog.size, 4)
  assert.equal(drain(backlog), '1211')
})

test('a name is there once', () => {
  const backlog = new Backlog({ perUser: 9, inTurn: 9, later: 9 })
  backlog.offer({ name: 'a', uid: 1 })
  backlog.offer({ name: 'a', uid: 1 })
  assert.equal(drain(backlog), '1')
  backlog.offer({ name: 'a', uid: 1 })
  assert.equal(drain(backlog), '1')
})
