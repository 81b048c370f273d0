import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionPair } from '../../../test/support/socket-pair.ts'
import type { NewRecipient, SubmissionCommit } from '../../contracts/submission.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import { askRecipient, QueueSubmission } from './enqueue.ts'

/** A connection of which the test plays the queue. */
async function withQueue(
  onOpen: (stream: Stream, head: unknown) => StreamListener,
  use: (connection: Awaited<ReturnType<typeof connectionPair>>[1]) => Promise<void>,
) {
  const greeted = Promise.withResolvers<void>()
  const [queue, receiver] = await connectionPair({ onOpen }, { onHello: () => greeted.resolve() })
  await greeted.promise
  try {
    await use(receiver)
  } finally {
    queue.close()
    receiver.close()
  }
}

const words = (queueId: string): SubmissionCommit => ({
  reversePath: 'a@b.test',
  prepend: `Received: id ${queueId}\n`,
  origin: { via: 'smtp' },
  body: '7bit',
  smtputf8: false,
})

test('a message arrives with its id, its recipients in batches, and its content', async () => {
  const recipients: NewRecipient[] = Array.from({ length: 120 }, (_, n) => ({ address: `u${n}@x` }))
  const batches: number[] = []
  const content: Buffer[] = []
  let commit: unknown
  await withQueue(
    (stream, head) => {
      assert.deepEqual(head, { type: 'submit', announcedSize: 200_000 })
      stream.record({ queueId: 'K1' })
      return {
        onRecord: (value) => batches.push((value as { recipients: unknown[] }).recipients.length),
        onData: (bytes) => {
          content.push(bytes)
          stream.grant(bytes.length)
        },
        onEnd: (value) => {
          commit = value
          stream.end({ kind: 'accepted', queueId: 'K1' })
        },
      }
    },
    async (connection) => {
      const submission = new QueueSubmission(connection, { recipients, announcedSize: 200_000 })
      for (let piece = 0; piece < 4; piece += 1) {
        assert.equal(await submission.write(Buffer.alloc(50_000, 97 + piece)), true)
      }
      assert.deepEqual(await submission.commit(words), { kind: 'accepted', queueId: 'K1' })
    },
  )
  assert.deepEqual(batches, [50, 50, 20])
  assert.equal(Buffer.concat(content).length, 200_000)
  assert.equal((commit as SubmissionCommit).prepend, 'Received: id K1\n')
})

test('an answer before the end stops the writing and is what commit says', async () => {
  await withQueue(
    (stream) => {
      stream.end({ kind: 'deferred', status: '4.3.1', text: 'disk full' })
      return {}
    },
    async (connection) => {
      const submission = new QueueSubmission(connection, { recipients: [] })
      // More than the credit: only the answer can end the wait.
      assert.equal(await submission.write(Buffer.alloc(200_000)), false)
      assert.deepEqual(await submission.commit(words), {
        kind: 'deferred',
        status: '4.3.1',
        text: 'disk full',
      })
    },
  )
})

test('an answer that cannot be read, a cancelled stream and a lost connection mean: try later', async () => {
  const troubles: readonly ((stream: Stream) => void)[] = [
    (stream) => stream.end({ kind: 'accepted' }),
    (stream) => stream.end({ kind: 'deferred', status: '5.0.0', text: 'x' }),
    (stream) => stream.record({ queueId: 7 }),
    (stream) => stream.cancel(),
  ]
  for (const trouble of troubles) {
    await withQueue(
      (stream) => {
        trouble(stream)
        return {}
      },
      async (connection) => {
        const answer = await new QueueSubmission(connection, { recipients: [] }).commit(words)
        assert.equal(answer.kind, 'deferred')
      },
    )
  }
  await withQueue(
    () => ({}),
    async (connection) => {
      const answer = new QueueSubmission(connection, { recipients: [] }).commit(words)
      connection.close()
      assert.equal((await answer).kind, 'deferred')
    },
  )
})

test('recipients: the answer is passed on, everything else is unsure', async () => {
  const answers: Readonly<Record<string, (stream: Stream) => void>> = {
    'known@x': (stream) => stream.end({ kind: 'known', because: 'y' }),
    'unknown@x': (stream) => stream.end({ kind: 'unknown', because: 'y' }),
    'nonsense@x': (stream) => stream.end('what?'),
    'cancelled@x': (stream) => stream.cancel(),
  }
  await withQueue(
    (stream, head) => {
      answers[(head as { address: string }).address]?.(stream)
      return {}
    },
    async (connection) => {
      const kind = async (address: string) => (await askRecipient(connection, address)).kind
      assert.equal(await kind('known@x'), 'known')
      assert.equal(await kind('unknown@x'), 'unknown')
      assert.equal(await kind('nonsense@x'), 'unsure')
      assert.equal(await kind('cancelled@x'), 'unsure')
      const asked = kind('silent@x')
      connection.close()
      assert.equal(await asked, 'unsure')
      assert.equal(connection.streamCount, 0)
    },
  )
})
