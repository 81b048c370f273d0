/**
 * MD-3, MD-5: a delivery killed at any step leaves no partial message in new/, and a message it has said
 * to be delivered is there.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const EXPECTED_END = 'line\nend\n'
const EXPECTED_SIZE = 'Return-Path: <>\nDelivered-To: joe@x\nSubject: x\n\n'.length + 150_000 + 4

function run(home: string, step: number, moment: 'before' | 'after') {
  const victim = join(import.meta.dirname, 'maildir-victim.ts')
  const ran = spawnSync(process.execPath, [victim, home, String(step), moment], {
    encoding: 'utf8',
  })
  return { killed: ran.signal === 'SIGKILL', said: ran.stdout, errors: ran.stderr }
}

function makeHome(): string {
  return mkdtempSync(join(tmpdir(), 'postern-crash-'))
}

/** What a reader would see. */
function messages(home: string): readonly string[] {
  const directory = join(home, 'Maildir/new')
  if (!existsSync(directory)) return []
  return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'))
}

function assertNothingPartial(home: string, said: string): void {
  const found = messages(home)
  for (const message of found) {
    assert.equal(message.length, EXPECTED_SIZE)
    assert.ok(message.endsWith(EXPECTED_END))
  }
  if (said.startsWith('delivered')) assert.equal(found.length, 1)
}

function assertNextDelivery(home: string, step: number): void {
  const before = messages(home).length
  const again = run(home, 0, 'before')
  assert.match(again.said, /^delivered/, `after a crash at step ${step}`)
  assert.equal(messages(home).length, before + 1)
  assertNothingPartial(home, '')
}

test('killed at each step of a first delivery, whole or not at all; the next delivery succeeds', () => {
  const complete = makeHome()
  const whole = run(complete, 0, 'before')
  const stepCount = Number(whole.said.trim().split(' ')[1])
  assert.ok(stepCount > 10, `${whole.said}${whole.errors}`)
  assertNothingPartial(complete, whole.said)
  rmSync(complete, { recursive: true })

  for (let step = 1; step <= stepCount; step += 1) {
    for (const moment of ['before', 'after'] as const) {
      const home = makeHome()
      const crashed = run(home, step, moment)
      assert.equal(crashed.killed, true, `step ${step} ${moment}: ${crashed.errors}`)
      assertNothingPartial(home, crashed.said)
      if (moment === 'after') assertNextDelivery(home, step)
      rmSync(home, { recursive: true })
    }
  }
})
