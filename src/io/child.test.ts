import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineCutter, parseJson, readBounded, runCommand } from './child.ts'

const limits = { longestAnswer: 1_000, limitSeconds: 10 }
const shell = (script: string) => ({ file: '/bin/sh', args: ['-c', script], ...limits })

test('a command answers its code, its output and its complaint', async () => {
  const answer = await runCommand(shell('echo out; echo err >&2; exit 3'))
  assert.deepEqual(
    { ...answer, output: answer.output.toString() },
    {
      code: 3,
      output: 'out\n',
      errors: 'err\n',
    },
  )
})

test('a command is given its input and an environment built from nothing', async () => {
  const answer = await runCommand({
    ...shell('cat; pwd; env | grep -c .'),
    input: Buffer.from('in\n'),
  })
  const [input, directory, count] = answer.output.toString().split('\n')
  assert.deepEqual([input, directory], ['in', '/'])
  assert.ok(Number(count) <= 6, `${count} variables`)
})

test('a command that does not end, or says too much, is killed and has no code', async () => {
  const slow = await runCommand({ ...shell('exec sleep 60'), limitSeconds: 0.1 })
  assert.equal(slow.code, undefined)
  assert.match(slow.errors, /no answer/)
  const loud = await runCommand(shell('exec yes'))
  assert.equal(loud.code, undefined)
  assert.match(loud.errors, /more than 1000 bytes/)
})

test('a command that is not there is an answer without a code', async () => {
  const answer = await runCommand({ file: '/nonexistent/command', args: [], ...limits })
  assert.equal(answer.code, undefined)
  assert.match(answer.errors, /ENOENT/)
})

function cut(chunks: readonly Buffer[], longest: number): string {
  const cutter = lineCutter(longest)
  return Buffer.concat(chunks.flatMap((chunk) => [...cutter(chunk)])).toString('latin1')
}

test('lines are the same however they arrive, and none is longer than the limit', () => {
  const bytes = fc
    .array(fc.constantFrom('a', 'b', '\n', '\0'), { maxLength: 60 })
    .map((c) => c.join(''))
  fc.assert(
    fc.property(
      bytes,
      fc.array(fc.nat(60), { maxLength: 6 }),
      fc.integer({ min: 2, max: 9 }),
      (text, cuts, longest) => {
        const all = Buffer.from(text)
        const at = [
          0,
          ...cuts.filter((each) => each < all.length).sort((a, b) => a - b),
          all.length,
        ]
        const chunks = at.slice(1).map((end, i) => all.subarray(at[i], end))
        const whole = cut([all], longest)
        assert.equal(cut(chunks, longest), whole)
        for (const line of whole.split('\n')) assert.ok(line.length < longest)
      },
    ),
  )
})

test('a line that is too long is cut as soon as that is known, and its rest is dropped', () => {
  const cutter = lineCutter(4)
  assert.deepEqual(cutter(Buffer.from('abcdefgh')).map(String), ['abc\n'])
  assert.deepEqual(cutter(Buffer.from('ijkl\nm\n')).map(String), ['m\n'])
})

test('what is no JSON is undefined', () => {
  assert.equal(parseJson(Buffer.from('{')), undefined)
  assert.deepEqual(parseJson(Buffer.from('[1]')), [1])
})

test('a file is read up to its limit and not beyond', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-child-'))
  try {
    const file = join(directory, 'file')
    writeFileSync(file, 'twelve bytes')
    assert.equal(readBounded(file, 12).toString(), 'twelve bytes')
    assert.throws(() => readBounded(file, 11), /longer than 11 bytes/)
    assert.throws(() => readBounded(directory, 11), /EISDIR/)
    // It never ends, and has no size to ask for first.
    assert.throws(() => readBounded('/dev/zero', 11), /longer than 11 bytes/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
