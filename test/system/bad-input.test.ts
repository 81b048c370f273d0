/**
 * Bad input of every kind, to real processes: each gets a clear answer, whatever was accepted before and after is
 * delivered, and no program dies of it.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Postern } from '../support/postern.ts'
import {
  catchOutbound,
  everydaySettings,
  mailTexts,
  makeDirectory,
  removeDirectory,
  startPostern,
  until,
} from '../support/postern.ts'
import { SmtpClient, withSession } from '../support/smtp-client.ts'

const bin = join(import.meta.dirname, '../../bin')
const PROGRAMS = ['supervisor', 'queue', 'launcher', 'receiver', 'pickup', 'remote', 'console']
const MAIL = ['MAIL FROM:<a@sender.test>', 'RCPT TO:<bad@postern.test>']

suite('bad input', () => {
  const directory = makeDirectory()
  let postern: Postern
  let programs: readonly (readonly number[])[] = []
  let good = 0

  const pids = () => PROGRAMS.map((program) => postern.pids(program))

  before(async () => {
    const settings = `${everydaySettings(directory)}${catchOutbound(directory)}
[limits]
message_size = "64KB"
session_errors = 5
`
    postern = await startPostern({ directory, settings })
    programs = pids()
  })
  after(async () => {
    await postern.stop()
    removeDirectory(directory)
  })

  /** After each misdeed: a good message still passes, in the same processes. */
  const assertUnharmed = async () => {
    good += 1
    await withSession(postern.smtpPort, async (client) => {
      const content = `Subject: good ${good}\n\nbody\n`
      const reply = await client.send({
        from: 'a@sender.test',
        to: ['good@postern.test'],
        content,
      })
      assert.equal(reply.code, 250, reply.lines.join())
    })
    await until(() => mailTexts(`${directory}/mail/good`).length === good, 20)
    assert.deepEqual(pids(), programs, 'no program has died')
    assert.deepEqual(mailTexts(`${directory}/mail/bad`), [], 'nothing bad has been delivered')
    await until(() => /"messages":0/.test(operator(['status', '--json']).stdout), 20)
  }

  const operator = (words: readonly string[]) =>
    spawnSync(join(bin, 'postern'), [...words, '--config', postern.config], { encoding: 'utf8' })

  suite('commands', () => {
    /** Lines after EHLO, and what the last of them is answered. */
    const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['an unknown command', ['XYZZY'], /^500 5\.5\.1 /],
      ['an empty command', [''], /^500 5\.5\.[12] /],
      ['a recipient before a sender', ['RCPT TO:<bad@postern.test>'], /^503 5\.5\.1 /],
      ['content before a sender', ['DATA'], /^503 5\.5\.1 /],
      ['content before a recipient', ['MAIL FROM:<a@sender.test>', 'DATA'], /^503 5\.5\.1 /],
      ['a second sender', [MAIL[0] ?? '', MAIL[0] ?? ''], /^503 5\.5\.1 /],
      ['a chunk before a sender', ['BDAT 0 LAST'], /^503 5\.5\.1 /],
      ['no angle brackets', ['MAIL FROM:a@sender.test'], /^501 5\.5\.4 /],
      ['an address without end', [`MAIL FROM:<${'a'.repeat(2_000)}@b.test>`], /^501 5\.1\.[37] /],
      [
        'two addresses in one',
        ['MAIL FROM:<a@sender.test>', 'RCPT TO:<a@b@postern.test>'],
        /^501 /,
      ],
      ['an unknown parameter', ['MAIL FROM:<a@sender.test> WISH=1'], /^555 5\.5\.4 /],
      ['a size too large', ['MAIL FROM:<a@sender.test> SIZE=99999999'], /^552 5\.3\.4 /],
      ['a size that is none', ['MAIL FROM:<a@sender.test> SIZE=-1'], /^501 5\.5\.4 /],
      [
        'a mailbox with a path in it',
        [MAIL[0] ?? '', 'RCPT TO:<"../bad"@postern.test>'],
        /^550 5\.1\.1 /,
      ],
      ['a command line without end', ['NOOP '.padEnd(10_000, 'x')], /^500 5\.5\.2 /],
      ['a NUL in a command', ['NOOP \0'], /^500 5\.5\.2 /],
      ['a bare CR in a command', ['NOOP \rRSET'], /^500 5\.5\.2 /],
      ['a bare LF in a command', ['NOOP\nRSET'], /^500 5\.5\.2 /],
      ['bytes that are no text', ['NOOP \xff\xfe'], /^500 5\.5\.2 /],
    ]
    for (const [what, lines, expected] of refused) {
      test(`${what} is refused`, async () => {
        await withSession(postern.smtpPort, async (client) => {
          for (const line of lines.slice(0, -1)) await client.expect(line, 250)
          client.write(Buffer.from(`${lines.at(-1) ?? ''}\r\n`, 'latin1'))
          assert.match((await client.reply()).lines.join(), expected)
        })
        await assertUnharmed()
      })
    }

    test('who speaks before the greeting is not talked to', async () => {
      const socket = connect(postern.smtpPort, '127.0.0.1')
      // Ended, so that an ordinary session, if it is one, ends too.
      socket.write('EHLO early.test\r\nQUIT\r\n')
      let heard = ''
      for await (const bytes of socket) heard += String(bytes)
      // The greeting may have been under way already; then this is an ordinary session.
      assert.match(heard, /^554 5\.5\.1 |^220 /)
      await assertUnharmed()
    })

    test('too many errors end the session', async () => {
      await withSession(postern.smtpPort, async (client) => {
        const replies: number[] = []
        await assert.rejects(async () => {
          for (;;) replies.push((await client.command('XYZZY')).code)
        })
        assert.equal(replies.at(-1), 421)
        assert.ok(replies.length <= 6)
      })
      await assertUnharmed()
    })
  })

  suite('content', () => {
    const refused: readonly (readonly [string, string, RegExp])[] = [
      ['a bare LF', 'Subject: x\r\n\r\none\ntwo\r\n.\r\n', /^554 5\.6\.0 /],
      ['a bare CR', 'Subject: x\r\n\r\none\rtwo\r\n.\r\n', /^554 5\.6\.0 /],
      ['a NUL', 'Subject: x\r\n\r\none\0two\r\n.\r\n', /^554 5\.6\.0 /],
      [
        'a line without end',
        `Subject: x\r\n\r\n${'x'.repeat(60_000)}\r\n`.repeat(2) + '.\r\n',
        /^552 /,
      ],
      [
        'too much of it',
        `Subject: x\r\n\r\n${'0123456789\r\n'.repeat(10_000)}.\r\n`,
        /^552 5\.3\.4 /,
      ],
      ['too many hops', `${'Received: by x\r\n'.repeat(101)}\r\nx\r\n.\r\n`, /^554 5\.4\.6 /],
    ]
    for (const [what, content, expected] of refused) {
      test(`${what} is refused at its end`, async () => {
        await withSession(postern.smtpPort, async (client) => {
          for (const line of MAIL) await client.expect(line, 250)
          await client.expect('DATA', 354)
          client.write(content)
          assert.match((await client.reply()).lines.join(), expected)
        })
        await assertUnharmed()
      })
    }

    for (const end of ['\n.\n', '\n.\r\n', '\r.\r', '\r\n.\n', '\r\n.\r']) {
      test(`nothing is smuggled behind ${JSON.stringify(end)}`, async () => {
        await withSession(postern.smtpPort, async (client) => {
          for (const line of MAIL) await client.expect(line, 250)
          await client.expect('DATA', 354)
          client.write(
            `Subject: x\r\n\r\nbody${end}${[...MAIL, 'DATA'].join('\r\n')}\r\nx\r\n.\r\n`,
          )
          assert.match((await client.reply()).lines.join(), /^554 5\.6\.0 /)
          await assert.rejects(client.reply(), /closed/)
        })
        await assertUnharmed()
      })
    }

    test('chunks that are too many bytes, or no number, are refused', async () => {
      await withSession(postern.smtpPort, async (client) => {
        for (const line of MAIL) await client.expect(line, 250)
        client.write(`BDAT 100000\r\n${'x'.repeat(100_000)}`)
        assert.match((await client.reply()).lines.join(), /^552 /)
      })
      await withSession(postern.smtpPort, async (client) => {
        for (const line of MAIL) await client.expect(line, 250)
        assert.match(
          (await client.command('BDAT 99999999999999999999 LAST')).lines.join(),
          /^5\d\d /,
        )
      })
      await assertUnharmed()
    })
  })

  suite('a client that vanishes', () => {
    const states: readonly (readonly [string, string])[] = [
      ['before it says anything', ''],
      ['in the middle of a command', 'EHL'],
      ['after EHLO', 'EHLO x.test\r\n'],
      ['after MAIL', `EHLO x.test\r\n${MAIL[0]}\r\n`],
      ['after RCPT', `EHLO x.test\r\n${MAIL.join('\r\n')}\r\n`],
      [
        'in the middle of DATA',
        `EHLO x.test\r\n${MAIL.join('\r\n')}\r\nDATA\r\nSubject: x\r\n\r\nhal`,
      ],
      [
        'before the final dot',
        `EHLO x.test\r\n${MAIL.join('\r\n')}\r\nDATA\r\nSubject: x\r\n\r\nx\r\n`,
      ],
      ['in the middle of a chunk', `EHLO x.test\r\n${MAIL.join('\r\n')}\r\nBDAT 100 LAST\r\nhalf`],
      ['between chunks', `EHLO x.test\r\n${MAIL.join('\r\n')}\r\nBDAT 4\r\nhalf`],
    ]
    for (const [when, words] of states) {
      for (const how of ['end', 'reset'] as const) {
        test(`${when}, by ${how}, leaves nothing behind`, async () => {
          const socket = connect(postern.smtpPort, '127.0.0.1')
          const replies = words.match(/\r\n/g)?.length ?? 0
          let heard = ''
          socket.on('data', (bytes) => (heard += String(bytes)))
          await until(() => heard.startsWith('220 '), 10)
          if (words !== '') socket.write(words)
          // As many as are certain: content is not answered.
          const expected = Math.min(replies, 3)
          await until(() => (heard.match(/^\d{3} /gm)?.length ?? 0) > expected, 10)
          const gone = new Promise((resolve) => socket.once('close', resolve))
          if (how === 'reset') socket.resetAndDestroy()
          else socket.end()
          await gone
          await assertUnharmed()
        })
      }
    }

    test('after the final dot leaves one message or none, whole', async () => {
      const client = new SmtpClient(postern.smtpPort)
      await client.hello()
      await client.expect('MAIL FROM:<a@sender.test>', 250)
      await client.expect('RCPT TO:<perhaps@postern.test>', 250)
      await client.expect('DATA', 354)
      client.write('Subject: perhaps\r\n\r\nwhole\r\n.\r\n')
      client.close()
      await assertUnharmed()
      const texts = mailTexts(`${directory}/mail/perhaps`)
      assert.ok(texts.length <= 1)
      for (const text of texts) assert.match(text, /\n\nwhole\n$/)
    })
  })

  suite('files in the drop directory that are no messages', () => {
    const drop = join(directory, 'drop')
    const put = (name: string, bytes: string, mode: number) => {
      // Made elsewhere, so that it is there all at once.
      const made = join(drop, '..', `made-${name}`)
      writeFileSync(made, bytes)
      chmodSync(made, mode)
      renameSync(made, join(drop, name))
    }
    const HEAD = 'postern-drop 1\nlogin 3:joe,\nrecipient 16:bad@postern.test,\nmessage\n'

    /** What is made, and what is said of it. */
    const foreign: readonly (readonly [string, (name: string) => void, RegExp])[] = [
      [
        'a symbolic link',
        (name) => symlinkSync('/etc/passwd', join(drop, name)),
        /not a regular file/,
      ],
      ['a FIFO', (name) => void spawnSync('mkfifo', [join(drop, name)]), /not a regular file/],
      ['a directory', (name) => mkdirSync(join(drop, name)), /it is a directory/],
      ['rubbish', (name) => put(name, 'rubbish\n'.repeat(1_000), 0o640), /not a drop file/],
      [
        'a file that all may write',
        (name) => put(name, `${HEAD}x\n\nend 3\n`, 0o666),
        /mode is 06(?:44|66)/,
      ],
    ]
    for (const [what, make, said] of foreign) {
      test(`${what} is reported, and nothing comes of it`, async () => {
        const name = what.replaceAll(' ', '-')
        make(name)
        const about = () =>
          postern
            .log()
            .split('\n')
            .find((line) => line.includes(name)) ?? ''
        await until(() => / not-a-message /.test(about()), 20)
        assert.match(about(), said)
        await assertUnharmed()
      })
    }

    test('a file with two names is not taken', async () => {
      put('outside', `${HEAD}x\n\nend 3\n`, 0o600)
      linkSync(join(drop, 'outside'), join(directory, 'second-name'))
      chmodSync(join(drop, 'outside'), 0o640)
      await until(() => / not-a-message name=outside /.test(postern.log()), 20)
      await assertUnharmed()
    })

    /** Complete by their mode, broken inside: somebody has been told 0, so they go back. */
    const broken: readonly (readonly [string, string])[] = [
      ['nothing in it', ''],
      ['its end cut off', `${HEAD}Subject: cut\n\nhalf a mess`],
      ['a length that is wrong', `${HEAD}Subject: wrong\n\nx\n\nend 999999\n`],
      [
        'a head that lies about a length',
        'postern-drop 1\nrecipient 999999999:x,\nmessage\nx\n\nend 2\n',
      ],
      ['no recipients', 'postern-drop 1\nmessage\nSubject: to nobody\n\nx\n\nend 24\n'],
    ]
    for (const [what, text] of broken) {
      test(`a message with ${what} goes back to its submitter`, async () => {
        const name = `broken-${what.replaceAll(' ', '-')}`
        const before = returned(postern)
        put(name, text, 0o640)
        await until(() => returned(postern) === before + 1, 20)
        await until(() => !readdirSync(drop).includes(name), 20)
        await assertUnharmed()
      })
    }
  })

  suite('requests at the operators’ doors', () => {
    for (const [what, bytes, refused] of [
      ['no JSON', 'nonsense\n', true],
      ['an unknown request', '{"type":"shutdown"}\n', true],
      ['one without end', 'x'.repeat(1_000_000), true],
      ['one that is left in the middle', '{"type":"sta', false],
    ] as const) {
      test(`${what} changes nothing`, async () => {
        for (const door of ['operators.sock', 'public.sock']) {
          const socket = connect(join(postern.run, door))
          let heard = ''
          socket.on('data', (more) => (heard += String(more)))
          socket.on('error', () => undefined)
          socket.write(bytes)
          if (refused) await until(() => heard.includes('"end":"refused"'), 10)
          socket.destroy()
        }
        await assertUnharmed()
      })
    }
  })
})

const returned = (postern: Postern) => postern.log().match(/ returned-to-user /g)?.length ?? 0

suite('a wrong configuration', () => {
  const wrong = (directory: string) => `${everydaySettings(directory)}
[limits]
sessionz = 5
message_size = "lots"
[relay]
from = ["not an address"]
`
  test('is not started with; every problem is named with its line', async () => {
    const directory = makeDirectory()
    try {
      const settings = wrong(directory)
      const lineOf = (text: string) =>
        settings.split('\n').findIndex((line) => line.includes(text)) + 1
      await assert.rejects(startPostern({ directory, settings }), (error: Error) => {
        for (const text of ['sessionz', 'lots', 'not an address']) {
          assert.match(error.message, new RegExp(`postern\\.toml:${lineOf(text)}:\\d+: `), text)
        }
        assert.match(error.message, /sessions/, 'the name that was probably meant')
        return true
      })
    } finally {
      removeDirectory(directory)
    }
  })

  test('after HUP leaves the old one in force, and mail flows on', async () => {
    const directory = makeDirectory()
    const postern = await startPostern({ directory })
    try {
      const before = readFileSync(postern.config)
      for (const text of [
        wrong(directory),
        '',
        '\0\xff',
        `hostname = "postern.test"\n${'['.repeat(10_000)}`,
      ]) {
        const refusals = () => postern.log().match(/ reload-refused /g)?.length ?? 0
        const known = refusals()
        writeFileSync(postern.config, text, 'latin1')
        postern.signal('SIGHUP')
        await until(() => refusals() > known, 20)
      }
      await withSession(postern.smtpPort, async (client) => {
        const to = ['joe@postern.test']
        const reply = await client.send({ from: 'a@b.test', to, content: 'Subject: x\n\nx\n' })
        assert.equal(reply.code, 250)
      })
      await until(() => mailTexts(`${directory}/mail/joe`).length === 1, 20)
      writeFileSync(postern.config, before)
    } finally {
      await postern.stop()
      removeDirectory(directory)
    }
  })
})
