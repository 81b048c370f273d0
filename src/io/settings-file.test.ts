import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readSettings } from './settings-file.ts'

/** `line:column setting` of every problem, in order. */
function problemsOf(text: string): readonly string[] {
  return readSettings(text, undefined).problems.map(({ line, column, setting }) =>
    `${line}:${column} ${setting}`.trim(),
  )
}

const HOST = 'hostname = "mail.example.org"\n'

test('a name is enough for a single host', () => {
  const { settings, problems, warnings } = readSettings(HOST, undefined)
  assert.deepEqual([problems, warnings], [[], []])
  assert.deepEqual(settings.domains, {
    'mail.example.org': { kind: 'accounts' },
    localhost: { kind: 'accounts' },
  })
  assert.equal(settings.limits.messageSize, 52_428_800)
  assert.equal(settings.paths.queue, '/var/spool/postern/queue')
  assert.deepEqual(settings.relay.from, [
    { address: '127.0.0.0', family: 4, prefix: 8 },
    { address: '::1', family: 6, prefix: 128 },
  ])
})

test('everything that can be written is read', () => {
  const { settings, problems } = readSettings(
    `${HOST}
domains."Accounts.example" = {}
[listen]
smtp = ["127.0.0.1:25", "[::1]:25"]
[paths]
queue = "/q"
drop = "drop"
run = "/r"
[domains."shop.example"]
maildir = "/srv/mail/shop.example/{local}/"
user = "vmail"
create = true
[local]
deliver = "/var/mail/"
postmaster = "pat@bücher.example"
system_accounts = ["www-data"]
[relay]
from = ["10.1.0.0/16"]
[routes]
"partner.example" = "smtp://mx.internal:2525"
".example" = "mx"
"*" = "maildir:/srv/caught?user=vmail"
[dns]
servers = ["127.0.0.1:5353", "::1"]
[limits]
session_idle = "10m"
sessions = 7
[retry]
schedule = ["10m", "1h"]
[log]
to = "/var/log/postern.log"
format = "json"
keep_events = "1w"
`,
    '/base',
  )
  assert.deepEqual(problems, [])
  assert.deepEqual(settings.domains, {
    'accounts.example': { kind: 'accounts' },
    'shop.example': {
      kind: 'mailboxes',
      maildir: '/srv/mail/shop.example/{local}/',
      user: 'vmail',
      create: true,
    },
  })
  assert.equal(settings.paths.drop, '/base/drop')
  assert.deepEqual(settings.local, {
    deliver: '/var/mail/{account}',
    postmaster: 'pat@xn--bcher-kva.example',
    systemAccounts: ['www-data'],
  })
  assert.deepEqual(settings.routes, [
    { pattern: 'partner.example', to: 'host', host: 'mx.internal', port: 2_525 },
    { pattern: '.example', to: 'mx' },
    { pattern: '*', to: 'maildir', maildir: '/srv/caught/', user: 'vmail' },
  ])
  assert.deepEqual(settings.dns.servers, [
    { host: '127.0.0.1', port: 5_353 },
    { host: '::1', port: 53 },
  ])
  assert.deepEqual([settings.limits.sessionIdle, settings.limits.sessions], [600, 7])
  assert.deepEqual(settings.retry.schedule, [600, 3_600])
  assert.deepEqual(settings.log, {
    to: { kind: 'file', path: '/var/log/postern.log' },
    format: 'json',
    keepEvents: 604_800,
  })
})

test('every problem is told at once, each with its place', () => {
  const text = `hostnam = "x.example"
[limits]
sessions = "3"
message_size = 5.5
[domains."a.example"]
owner = "lists"
[domains."b.example"]
maildir = "/srv/b/"
user = "0"
[domains."c.example"]
maildir = "/srv/{local}"
[listen]
smtp = ["127.0.0.1:25", "nowhere"]
[[routes]]
`
  assert.deepEqual(problemsOf(text), [
    '1:1 hostname',
    '1:1 hostnam',
    '3:12 limits.sessions',
    '4:16 limits.message_size',
    '6:1 domains."a.example".owner',
    '8:11 domains."b.example".maildir',
    '9:8 domains."b.example".user',
    '10:10 domains."c.example"',
    '13:25 listen.smtp',
    '14:3 routes',
  ])
})

test('a slip of the pen is answered with the name that was meant', () => {
  const [, problem] = readSettings('hostnam = "x.example"', undefined).problems
  assert.match(problem?.message ?? '', /did you mean "hostname"/)
})

test('syntax errors do not hide each other, nor what else is wrong', () => {
  const text = `hostname =
sessions
[limits
hops = 1
[retry]
lifetime = "x"
[log]
format = "text"
format = "json"
`
  assert.deepEqual(problemsOf(text), ['1:1', '2:1', '3:1', '6:12 retry.lifetime', '9:1'])
})

test('a text or list that does not end is told once, and nothing is guessed about the rest', () => {
  assert.deepEqual(problemsOf(`${HOST}[log]\nto = """x\nformat = 1\n`).length, 1)
  assert.deepEqual(problemsOf(`${HOST}a = ${'['.repeat(50_000)}`).length, 1)
  assert.deepEqual(problemsOf(`${HOST}a = ${'{a='.repeat(20_000)}`).length, 1)
})

test('a relative path is refused where nothing says where it starts', () => {
  assert.deepEqual(problemsOf(`${HOST}[paths]\nqueue = "queue"\n`), ['3:9 paths.queue'])
})

test('the same domain in two spellings is found', () => {
  const text = `${HOST}[domains."Bücher.example"]\n[domains."xn--bcher-kva.EXAMPLE"]\n`
  assert.deepEqual(problemsOf(text), ['3:10 domains."xn--bcher-kva.EXAMPLE"'])
})

test('names that JavaScript knows are only unknown names here', () => {
  assert.deepEqual(problemsOf(`${HOST}__proto__ = 1\n[limits]\nconstructor = 1\n`), [
    '2:1 __proto__',
    '4:1 limits.constructor',
  ])
})

test('a mark at the beginning, CRLF and NUL do no harm', () => {
  assert.deepEqual(problemsOf(`\ufeff${HOST.replace('\n', '\r\n')}[limits]\r\nhops = 50\r\n`), [])
  assert.equal(problemsOf(`${HOST}[log]\nto = "\0"\n`).length, 1)
})

test('limits below what the standards ask for are legal, with a warning', () => {
  const { problems, warnings } = readSettings(`${HOST}[limits]\nhops = 10\n`, undefined)
  assert.deepEqual(problems, [])
  assert.match(warnings[0]?.message ?? '', /RFC 5321/)
  assert.equal(warnings[0]?.line, 3)
})

test('no text makes it throw, and it never names a line the file does not have', () => {
  const bits = 'hostname|=|"|"x.example"|[|]|[limits]|.|{|}|,|5|true|#|[[|"""|domains."a.b"|\\|ü'
  const piece = fc.constantFrom(...bits.split('|'), '\n', '\n\n', "'", '\0', ' ', '\r')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('')
      const { problems } = readSettings(text, '/base')
      const lines = text.split('\n').length
      for (const { line, column } of problems) {
        assert.ok(line >= 1 && line <= lines && column >= 1, `${JSON.stringify(text)} ${line}`)
      }
    }),
    { numRuns: 3_000 },
  )
})
