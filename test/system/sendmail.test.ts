/**
 * bin/sendmail against a drop directory, without a daemon: what it writes, what it refuses, and that
 * nothing is left where it says 75.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Invocation } from '../../src/contracts/drop-file.ts'
import { DROP_END_SIZE, parseDropEnd, parseDropHead } from '../../src/contracts/drop-file.ts'

const bin = join(import.meta.dirname, '../../bin')
const sendmail = join(bin, 'sendmail')
const asRoot = process.getuid?.() === 0 ? false : 'needs root'

interface Given {
  readonly input?: string | Buffer
  readonly env?: Readonly<Record<string, string>>
  readonly command?: string
}

interface Dropped {
  readonly invocation: Invocation
  readonly message: Buffer
  readonly mode: number
}

async function inDirectory(use: (drop: string) => Promise<void> | void): Promise<void> {
  const drop = mkdtempSync(join(tmpdir(), 'postern-sendmail-'))
  try {
    await use(drop)
  } finally {
    rmSync(drop, { recursive: true, force: true })
  }
}

function run(drop: string, words: readonly string[], given: Given = {}) {
  const { PATH = '' } = process.env
  const done = spawnSync(given.command ?? sendmail, words, {
    input: given.input ?? 'Subject: x\n\nbody\n',
    env: { PATH, POSTERN_DROP: drop, ...given.env },
  })
  return { code: done.status, stderr: done.stderr.toString() }
}

function droppedIn(drop: string): readonly Dropped[] {
  return readdirSync(drop).map((name) => {
    const bytes = readFileSync(join(drop, name))
    const head = parseDropHead(bytes, { head: 10_000_000, recipients: 100_000 })
    assert.ok(head.ok && head.value !== 'more', `${name} has a head`)
    const { messageStart, invocation } = head.value
    const end = parseDropEnd(bytes.subarray(-DROP_END_SIZE), bytes.length, messageStart)
    assert.ok(end.ok, `${name} has an end`)
    const message = bytes.subarray(messageStart, end.value)
    return { invocation, message, mode: statSync(join(drop, name)).mode & 0o7777 }
  })
}

/** Runs it where it is to succeed, and answers the one file it has written. */
async function sent(words: readonly string[], given: Given = {}): Promise<Dropped> {
  let found: Dropped | undefined
  await inDirectory((drop) => {
    const done = run(drop, words, given)
    assert.equal(done.code, 0, done.stderr)
    const [first, ...more] = droppedIn(drop)
    assert.deepEqual(more, [])
    found = first
  })
  assert.ok(found !== undefined)
  return found
}

suite('what sendmail writes', () => {
  test('one file of mode 0640 with the message as it came, byte by byte', async () => {
    const input = Buffer.from([0, 13, 10, 46, 10, 255, 10, ...Buffer.from('end 5\n\nend 1\n')])
    const { message, mode, invocation } = await sent(['a@b.c'], { input })
    assert.deepEqual(message, input)
    assert.equal(mode, 0o640)
    assert.deepEqual(invocation.recipients, ['a@b.c'])
    assert.equal(invocation.login, userInfo().username)
  })

  test('an empty message, and one of 50 MB', async () => {
    assert.equal((await sent(['a@b.c'], { input: '' })).message.length, 0)
    const input = Buffer.alloc(50_000_000, 'x\n')
    assert.ok((await sent(['a@b.c'], { input })).message.equals(input))
  })

  test('values that hold line ends, quotes and entries of their own arrive as they were', async () => {
    const evil = 'x\nrecipient 3:a@b,\nmessage\n\'"$(id)`id`\\ \t*'
    const { invocation } = await sent(['-F', evil, '-f', evil, '--', evil, 'ü@b.c'], {
      env: { QMAILNAME: evil, QMAILINJECT: '-n' },
    })
    assert.equal(invocation.name, evil)
    assert.equal(invocation.sender, evil)
    assert.deepEqual(invocation.recipients, [evil, 'ü@b.c'])
    assert.deepEqual(invocation.environment, { QMAILNAME: evil, QMAILINJECT: '-n' })
  })

  test('many recipients', async () => {
    const recipients = Array.from({ length: 5_000 }, (_, at) => `r${at}@b.c`)
    assert.deepEqual((await sent(recipients)).invocation.recipients, recipients)
  })

  test('CLI-4: -F and -f are both kept', async () => {
    const { invocation } = await sent(['-F', 'Big Boss', '-fboss@af.mil', 'a@b.c'])
    assert.deepEqual([invocation.name, invocation.sender], ['Big Boss', 'boss@af.mil'])
  })

  test('CLI-3, CLI-5: dots and the null sender', async () => {
    assert.equal((await sent(['a'])).invocation.keepDots, false)
    for (const flag of ['-i', '-oi', '-ti', '-oitrue', '-OIgnoreDots=true']) {
      assert.equal((await sent([flag, 'a'])).invocation.keepDots, true, flag)
    }
    assert.equal((await sent(['-f', '', 'a'])).invocation.sender, '')
    assert.equal((await sent(['-r', '<>', 'a'])).invocation.sender, '<>')
    assert.equal('sender' in (await sent(['a'])).invocation, false)
  })

  test('CLI-6: flags of programs written for sendmail, attached and apart', async () => {
    const words =
      '-oi -oem -odb -o Q/tmp -i -m -v -B8BITMIME -pSMTP:foo -p x -N never -d0.1 -C /x -L tag'
    const { invocation } = await sent([...words.split(' '), '-A', 'c', '-M', 'x', '-n', 'one'])
    assert.deepEqual(invocation.recipients, ['one'])
    assert.equal(invocation.eightBit, true)
  })

  test('CLI-8: DSN options', async () => {
    const { invocation } = await sent([
      '-N',
      'Success,DELAY',
      '-R',
      'HDRS',
      '-V',
      'id+2B1',
      '-h7',
      'a',
    ])
    assert.deepEqual(invocation.notify, ['success', 'delay'])
    assert.equal(invocation.ret, 'hdrs')
    assert.equal(invocation.envelopeId, 'id+2B1')
    assert.equal(invocation.hops, 7)
  })

  test('CLI-11: behind -- everything is an address', async () => {
    assert.deepEqual((await sent(['--', '-odd@x.y'])).invocation.recipients, ['-odd@x.y'])
  })

  test('CLI-2, CLI-13: -t, with arguments and in the way of PHP', async () => {
    const { invocation } = await sent(['-t', '-i', '-fwww@x', 'extra@x.y'])
    assert.equal(invocation.recipientsInHeader, true)
    assert.equal(invocation.sender, 'www@x')
    assert.deepEqual(invocation.recipients, ['extra@x.y'])
  })
})

suite('what it refuses, with nothing left behind', () => {
  const wrong: readonly (readonly [string, ...string[]])[] = [
    ['CLI-9: an unknown flag', '-y', 'a@b.c'],
    ['CLI-12: no recipients'],
    ['a value that is missing', '-f'],
    ['two senders', '-fa', '-rb', 'c'],
    ['an unknown mode', '-bz', 'a'],
    ['a bad NOTIFY', '-N', 'sometimes', 'a'],
    ['NEVER among others', '-N', 'never,delay', 'a'],
    ['a bad RET', '-R', 'some', 'a'],
    ['RET twice', '-Rfull', '-Rfull', 'a'],
    ['a bad envelope identifier', '-V', 'a=b', 'a'],
    ['a bad escape in it', '-V', 'a+2b', 'a'],
    ['a bad body type', '-B', '9BIT', 'a'],
    ['a bad hop count', '-h', 'x', 'a'],
    ['SMTP on standard input', '-bs'],
    ['verifying', '-bv', 'a@b'],
  ]
  for (const [why, ...words] of wrong) {
    test(`${why}: 64`, () =>
      inDirectory((drop) => {
        const done = run(drop, words)
        assert.equal(done.code, 64, done.stderr)
        assert.match(done.stderr, /^sendmail: /)
        assert.deepEqual(readdirSync(drop), [])
      }))
  }

  test('a drop directory that is missing: 75, and what to do', () => {
    const done = run('/nonexistent/drop', ['a@b.c'])
    assert.equal(done.code, 75)
    assert.match(done.stderr, /postern setup/)
  })

  test('a message that cannot be written whole: 75', () =>
    inDirectory((drop) => {
      // A limit on the size of files fails just as a full disk does, and needs no root.
      const script = 'trap "" XFSZ; ulimit -f 1; exec "$0" a@b.c'
      const { PATH = '' } = process.env
      const done = spawnSync('/bin/sh', ['-c', script, sendmail], {
        input: Buffer.alloc(100_000, 'x\n'),
        env: { PATH, POSTERN_DROP: drop },
      })
      assert.equal(done.status, 75, done.stderr.toString())
      assert.deepEqual(readdirSync(drop), [])
    }))

  test('CLI-10: a full disk: 75', { skip: asRoot }, (context) =>
    inDirectory((drop) => {
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'postern', drop])
      if (mounted.status !== 0) return context.skip('a tmpfs cannot be mounted here')
      try {
        for (const size of [100_000, 12_280, 16_384]) {
          const done = run(drop, ['a@b.c'], { input: Buffer.alloc(size, 'x\n') })
          if (done.code !== 0) assert.equal(done.code, 75, done.stderr)
          assert.equal(droppedIn(drop).length, done.code === 0 ? 1 : 0)
          for (const name of readdirSync(drop)) rmSync(join(drop, name))
        }
      } finally {
        spawnSync('umount', [drop])
      }
    }),
  )

  test('a signal before the message is whole: 75', () =>
    inDirectory(async (drop) => {
      const { PATH = '' } = process.env
      const child = spawn(sendmail, ['a@b.c'], {
        env: { PATH, POSTERN_DROP: drop },
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      child.stdin.on('error', () => undefined)
      child.stdin.write('Subject: never finished\n')
      while (readdirSync(drop).length === 0) await new Promise((resolve) => setImmediate(resolve))
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      child.stdin.destroy()
      assert.deepEqual(await ended, [75, null])
      assert.deepEqual(readdirSync(drop), [])
    }))
})

suite('modes that send nothing', () => {
  for (const [why, words] of [
    ['-bd tells how the daemon is started', ['-bd', '-q15m']],
    ['-q is done by itself', ['-q']],
    ['-bi has nothing to rebuild', ['-bi']],
  ] as const) {
    test(`CLI-7: ${why}`, () =>
      inDirectory((drop) => {
        const done = run(drop, words)
        assert.equal(done.code, 0, done.stderr)
        assert.equal(done.stderr !== '', words[0] === '-bd')
        assert.deepEqual(readdirSync(drop), [])
      }))
  }

  test('CLI-7: under the name newaliases it does nothing; -bp and mailq run postern mailq', () =>
    inDirectory((directory) => {
      const command = join(directory, 'newaliases')
      symlinkSync(sendmail, command)
      assert.equal(run(directory, [], { command }).code, 0)
      const home = join(directory, 'home')
      mkdirSync(join(home, 'bin'), { recursive: true })
      writeFileSync(join(home, 'bin/postern'), '#!/bin/sh\necho "$@" >&2; exit 7\n')
      chmodSync(join(home, 'bin/postern'), 0o755)
      cpSync(join(bin, 'mailq'), join(home, 'bin/mailq'))
      const listed = run(directory, ['-bp'], { env: { POSTERN_HOME: home } })
      assert.deepEqual(listed, { code: 7, stderr: 'mailq\n' })
      const mailq = run(directory, ['-v'], { command: join(home, 'bin/mailq') })
      assert.deepEqual(mailq, { code: 7, stderr: 'mailq -v\n' })
    }))
})

suite('where it finds the drop directory', () => {
  test('in the installation, by a wrapper, a link or its own place', () =>
    inDirectory((directory) => {
      const home = join(directory, 'home')
      const drop = join(directory, 'drop')
      mkdirSync(drop)
      mkdirSync(join(home, 'bin'), { recursive: true })
      cpSync(sendmail, join(home, 'bin/sendmail'))
      writeFileSync(join(home, 'drop-directory'), `${drop}\n`)
      const wrapper = join(directory, 'sendmail')
      writeFileSync(wrapper, `#!/bin/sh\nPOSTERN_HOME='${home}'; . "$POSTERN_HOME/bin/sendmail"\n`)
      chmodSync(wrapper, 0o755)
      const link = join(directory, 'link')
      symlinkSync(join(home, 'bin/sendmail'), link)
      for (const command of [wrapper, link, join(home, 'bin/sendmail')]) {
        const done = run('', ['a@b.c'], { command })
        assert.equal(done.code, 0, done.stderr)
      }
      assert.equal(readdirSync(drop).length, 3)
    }))

  test('in a checkout, var/drop', () =>
    inDirectory((home) => {
      mkdirSync(join(home, 'bin'))
      mkdirSync(join(home, 'var/drop'), { recursive: true })
      cpSync(sendmail, join(home, 'bin/sendmail'))
      assert.equal(run('', ['a@b.c'], { command: join(home, 'bin/sendmail') }).code, 0)
      assert.equal(readdirSync(join(home, 'var/drop')).length, 1)
    }))
})

test('users without any privilege drop into a directory they cannot list', { skip: asRoot }, () =>
  inDirectory((outer) => {
    chmodSync(outer, 0o755)
    const drop = join(outer, 'drop')
    mkdirSync(drop)
    chmodSync(drop, 0o3733)
    const script = join(outer, 'sendmail')
    cpSync(sendmail, script)
    const done = spawnSync(script, ['-f', 'a@b.c', 'd@e.f'], {
      input: 'x\n',
      uid: 65_534,
      gid: 65_534,
      env: { PATH: '/usr/bin:/bin', POSTERN_DROP: drop },
    })
    assert.equal(done.status, 0, done.stderr.toString())
    const [name = ''] = readdirSync(drop)
    const { uid, gid, mode } = statSync(join(drop, name))
    assert.deepEqual([uid, gid, mode & 0o7777], [65_534, 0, 0o640])
    assert.ok(existsSync(join(drop, name)))
  }),
)
