import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { ControlRequest, ListedMessage } from '../../contracts/control.ts'
import { DOOR_FILES } from '../../contracts/supervision.ts'

const COUNTS = { messages: 2, recipients: 3, held: 0, attempting: 1, oldestSeconds: 7_300 }
const message = (queueId: string): ListedMessage => ({
  queueId,
  arrivedAt: Date.UTC(2026, 10, 22, 18, 30),
  size: 1_234,
  reversePath: 'joe@x.example',
  recipientCount: 12,
  recipients: [
    {
      address: 'a\u001b[2J@b.c',
      state: 'attempting',
      lane: 'remote/b.c',
      nextAttemptAt: Date.UTC(2026, 10, 22, 18, 40),
      attempts: 1,
      lastText: '450 4.2.0 later',
    },
  ],
})

type Answer = (request: ControlRequest) => readonly unknown[]

const everyday: Answer = (request) => [...itemsOf(request), endOf(request)]

function itemsOf(request: ControlRequest): readonly unknown[] {
  if (request.type === 'status') return [{ item: 'counts', counts: COUNTS }]
  if (request.type === 'list') {
    return [{ item: 'message', message: message(request.after === undefined ? 'Q1' : 'Q2') }]
  }
  if (request.type !== 'show') return []
  return [
    { item: 'message', message: message(request.queueId) },
    { item: 'event', event: { at: 0, event: 'accepted', text: 'via smtp' } },
    ...(request.content ? [{ item: 'content', bytes: 'Subject: \u00fc\n' }] : []),
  ]
}

function endOf(request: ControlRequest): unknown {
  const acted = request.type === 'retry' || request.type === 'remove'
  const first = request.type === 'list' && request.after === undefined
  return { end: 'done', affected: acted ? 1 : 0, ...(first ? { next: 'p2' } : {}) }
}

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs commands against doors that only say what `answer` gives them. */
async function withDoors(
  answer: Answer,
  use: (
    run: (...words: readonly string[]) => Promise<Ran>,
    requests: readonly ControlRequest[],
  ) => Promise<void>,
  doors: readonly (keyof typeof DOOR_FILES)[] = ['operators', 'everyone'],
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-run-'))
  const requests: ControlRequest[] = []
  const servers = doors.map((door) =>
    createServer((socket) => {
      socket.on('data', (bytes: Buffer) => {
        const request = JSON.parse(bytes.toString()) as ControlRequest
        requests.push(request)
        socket.write(
          answer(request)
            .map((value) => `${JSON.stringify(value)}\n`)
            .join(''),
        )
      })
    }).listen(join(directory, DOOR_FILES[door])),
  )
  await Promise.all(servers.map((server) => once(server, 'listening')))
  try {
    await use((...words) => runCommand([...words, '--run', directory]), requests)
  } finally {
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const SCRIPT = `
import { Command } from 'commander'
import { addMailqCommand } from './mailq.ts'
import { addQueueCommands } from './queue.ts'
import { addStatusCommand } from './status.ts'
const program = new Command()
addStatusCommand(program)
addQueueCommands(program)
addMailqCommand(program)
await program.parseAsync(process.argv.slice(1), { from: 'user' })
`

async function runCommand(words: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', SCRIPT, '--', ...words], {
    cwd: import.meta.dirname,
    env: { ...process.env, TZ: 'UTC' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString('latin1')))
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

suite('status', () => {
  test('says what there is and exits 0, or 69 where nothing answers', async () => {
    await withDoors(everyday, async (run) => {
      const human = await run('status')
      assert.equal(human.code, 0, human.stderr)
      assert.match(human.stdout, /accepts mail\.\n2 messages for 3 recipients.*oldest for 2 h/)
      const json = await run('status', '--json')
      assert.deepEqual(JSON.parse(json.stdout), COUNTS)
    })
    const nothing = await runCommand(['status', '--run', '/nonexistent'])
    assert.equal(nothing.code, 69)
    assert.match(nothing.stderr, /does not run.*\/nonexistent\/operators\.sock/)
  })

  test("everyone's door is enough", () =>
    withDoors(everyday, async (run) => assert.equal((await run('status')).code, 0), ['everyone']))
})

suite('queue', () => {
  test('list goes through all pages; nothing in it can steer a terminal', () =>
    withDoors(everyday, async (run, requests) => {
      const listed = await run('queue', 'list', '--domain', 'b.c')
      assert.match(listed.stdout, /^Q1 {2}2026-11-22 18:30:00 {2}1234 B {2}from <joe@x\.example>$/m)
      assert.match(listed.stdout, /^Q2/m)
      assert.match(listed.stdout, /450 4\.2\.0 later\n {4}.* and 11 more/)
      assert.doesNotMatch(listed.stdout, /\u001b/)
      assert.deepEqual(requests[1], {
        type: 'list',
        selection: { domain: 'b.c' },
        limit: 100,
        after: 'p2',
      })
    }))

  test('list --json is one object a line', () =>
    withDoors(everyday, async (run) => {
      const lines = (await run('queue', 'list', '--json')).stdout.trimEnd().split('\n')
      assert.deepEqual(
        lines.map((line) => JSON.parse(line) as unknown),
        [message('Q1'), message('Q2')],
      )
    }))

  test('show tells the story, and the content byte by byte', () =>
    withDoors(everyday, async (run) => {
      const shown = await run('queue', 'show', 'Q9', '--content')
      assert.match(shown.stdout, /^Q9 [^]*accepted {2}via smtp\n\nSubject: \xfc\n$/)
    }))

  test('retry and remove want to be told which, and say how many', () =>
    withDoors(everyday, async (run, requests) => {
      for (const command of ['retry', 'remove']) {
        const unclear = await run('queue', command)
        assert.equal(unclear.code, 64)
        assert.match(unclear.stderr, /say which/)
      }
      assert.match((await run('queue', 'retry', '--all')).stdout, /^1 recipient due now\n$/)
      assert.match((await run('queue', 'remove', '--id', 'Q1')).stdout, /^1 recipient removed/)
      assert.deepEqual(requests, [
        { type: 'retry', selection: {} },
        { type: 'remove', selection: { queueId: 'Q1' } },
      ])
    }))

  test('what the queue refuses is said, with exit code 69', () =>
    withDoors(
      () => [{ end: 'refused', why: 'no such message' }],
      async (run) => {
        const refused = await run('queue', 'show', 'Q1')
        assert.equal(refused.code, 69)
        assert.match(refused.stderr, /no such message/)
      },
    ))
})

suite('mailq', () => {
  test("prints sendmail's layout", () =>
    withDoors(everyday, async (run) => {
      const { stdout, code } = await run('mailq')
      assert.equal(code, 0)
      const [head, rule, first, reason, recipient] = stdout.split('\n')
      assert.match(head ?? '', /^\t\t\/.* \(2 requests\)$/)
      assert.match(rule ?? '', /^-----Q-ID----- --Size-- -----Q-Time-----/)
      assert.equal(first, 'Q1*                1234 Sun Nov 22 18:30 <joe@x.example>')
      assert.equal(reason, '                 (450 4.2.0 later)')
      assert.equal(recipient, '\t\t\t\t\t <a?[2J@b.c>')
      assert.match(stdout, /\n\t\tTotal requests: 2\n$/)
    }))

  test('CLI-14: an empty queue takes two lines', () =>
    withDoors(
      () => [
        { item: 'counts', counts: { ...COUNTS, messages: 0 } },
        { end: 'done', affected: 0 },
      ],
      async (run) => {
        const { stdout } = await run('mailq')
        assert.match(stdout, /^\/.* is empty\n\t\tTotal requests: 0\n$/)
      },
    ))
})
