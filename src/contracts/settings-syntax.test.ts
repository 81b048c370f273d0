import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Parsed } from './settings-syntax.ts'
import {
  formatDuration,
  formatSize,
  parseAccount,
  parseAddressBlock,
  parseDeliver,
  parseDomain,
  parseDuration,
  parseEndpoint,
  parseHostname,
  parseLogTarget,
  parseMaildirTemplate,
  parsePath,
  parsePostmaster,
  parseResolver,
  parseRoute,
  parseRoutePattern,
  parseSize,
} from './settings-syntax.ts'

type Parser = (text: string) => Parsed<unknown>
const route: Parser = (text) => parseRoute(text, undefined)
const path: Parser = (text) => parsePath(text, undefined)
const template: Parser = (text) => parseMaildirTemplate(text, undefined)
const logTarget: Parser = (text) => parseLogTarget(text, undefined)

const TABLE: readonly (readonly [
  Parser,
  readonly (readonly [string, unknown])[],
  readonly string[],
])[] = [
  [
    parseDuration,
    [
      ['30s', 30],
      ['30 s', 30],
      ['4h', 14_400],
      ['5d', 432_000],
      ['1w', 604_800],
      ['0s', 0],
    ],
    ['', '5', 'd', '5 days', '-1s', '1.5h', '5D', ' 5d', '9999999999s'],
  ],
  [
    parseSize,
    [
      ['50MB', 52_428_800],
      ['50 mb', 52_428_800],
      ['1GB', 1_073_741_824],
      ['7B', 7],
    ],
    ['', '50', '50M', 'MB', '-1B', '1.5GB'],
  ],
  [
    parseEndpoint,
    [
      ['127.0.0.1:25', { host: '127.0.0.1', port: 25, name: '127.0.0.1:25' }],
      ['[::1]:0', { host: '::1', port: 0, name: '[::1]:0' }],
    ],
    ['25', ':25', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:25', 'localhost:25', '[::1]'],
  ],
  [
    parseResolver,
    [
      ['127.0.0.1', { host: '127.0.0.1', port: 53 }],
      ['127.0.0.1:5353', { host: '127.0.0.1', port: 5_353 }],
      ['::1', { host: '::1', port: 53 }],
      ['[::1]:53', { host: '::1', port: 53 }],
    ],
    ['', 'dns.example', '127.0.0.1:0', '127.0.0.1:x'],
  ],
  [
    parseAddressBlock,
    [
      ['10.0.0.0/8', { address: '10.0.0.0', family: 4, prefix: 8 }],
      ['192.0.2.7', { address: '192.0.2.7', family: 4, prefix: 32 }],
      ['::1', { address: '::1', family: 6, prefix: 128 }],
      ['2001:db8::/32', { address: '2001:db8::', family: 6, prefix: 32 }],
      ['0.0.0.0/0', { address: '0.0.0.0', family: 4, prefix: 0 }],
      ['192.0.2.128/25', { address: '192.0.2.128', family: 4, prefix: 25 }],
    ],
    [
      '',
      '10/8',
      '10.0.0.0/33',
      '10.0.0.1/8',
      '192.0.2.129/25',
      '::1/64',
      '::/129',
      '1.2.3.4/',
      '1.2.3.4/8/8',
    ],
  ],
  [
    parseDomain,
    [
      ['Example.ORG.', 'example.org'],
      ['localhost', 'localhost'],
      ['_x.xn--bcher-kva.example', '_x.xn--bcher-kva.example'],
    ],
    ['', '.', 'a..b', '-a.b', 'a b', 'bücher.example', '192.0.2.1', `${'a'.repeat(64)}.b`, 'a/b'],
  ],
  [
    parseHostname,
    [['mail.example.org', 'mail.example.org']],
    ['localhost', 'a.1', 'a', '10.0.0.1'],
  ],
  [
    parseAccount,
    [
      ['joe', 'joe'],
      ['_x.y-1', '_x.y-1'],
    ],
    ['', '0', '+0', 'Joe', 'a b', 'a/b', 'a'.repeat(33)],
  ],
  [
    parsePostmaster,
    [
      ['root', 'root'],
      ['Pat@Example.org', 'Pat@example.org'],
    ],
    ['', '@', 'a b@c', 'x@', 'x@-', 'Root'],
  ],
  [
    path,
    [
      ['/a//b/./c', '/a/b/c'],
      ['/a/', '/a/'],
    ],
    ['', '/', 'a', '/a/../b', '/a\n', '//', `/${'a'.repeat(1_001)}`],
  ],
  [
    template,
    [
      ['/srv/{local}/', '/srv/{local}/'],
      ['/srv/x-{local}/Mail', '/srv/x-{local}/Mail/'],
    ],
    [
      '/srv/mail/',
      '/{local}/',
      '/x{local}/',
      '/srv/{local}/{local}/',
      'srv/{local}/',
      '/srv/../{local}/',
    ],
  ],
  [
    parseDeliver,
    [
      ['Maildir/', 'Maildir/'],
      ['./Maildir/', 'Maildir/'],
      ['mail/inbox', 'mail/inbox'],
      ['/var/mail/', '/var/mail/{account}'],
      ['/var/mail/{account}', '/var/mail/{account}'],
    ],
    [
      '',
      '../x',
      '/',
      '/{account}',
      '/var/mail',
      '/var/{account}/Maildir/',
      '{account}',
      '/var/../{account}',
    ],
  ],
  [
    logTarget,
    [
      ['stderr', { kind: 'stderr' }],
      ['syslog', { kind: 'syslog' }],
      ['/var/log/m', { kind: 'file', path: '/var/log/m' }],
    ],
    ['', 'stdout', 'log/m', '/var/log/'],
  ],
  [
    parseRoutePattern,
    [
      ['*', '*'],
      ['.Example.org', '.example.org'],
      ['a.b', 'a.b'],
    ],
    ['', '.', '*.a', '..a'],
  ],
  [
    route,
    [
      ['mx', { to: 'mx' }],
      ['smtp://mx.internal', { to: 'host', host: 'mx.internal', port: 25 }],
      ['smtp://mx.internal:2525/', { to: 'host', host: 'mx.internal', port: 2_525 }],
      ['smtp://[::1]:2525', { to: 'host', host: '::1', port: 2_525 }],
      ['maildir:/var/x?user=joe', { to: 'maildir', maildir: '/var/x/', user: 'joe' }],
    ],
    [
      '',
      'MX',
      'smtp://',
      'smtp://::1',
      'smtp://a:0',
      'smtp://a:b',
      'smtps://a',
      'maildir:/x',
      'maildir:x?user=joe',
      'maildir:/x?user=0',
    ],
  ],
]

for (const [parse, accepted, refused] of TABLE) {
  const name = parse.name === '' ? 'a parser' : parse.name
  test(`${name}: what is accepted, and what it means`, () => {
    for (const [text, value] of accepted) {
      assert.deepEqual(parse(text), { ok: true, value }, text)
    }
  })
  test(`${name}: what is refused, with a sentence`, () => {
    for (const text of refused) {
      const parsed = parse(text)
      assert.ok(!parsed.ok && parsed.problem.length > 5, `${text}: ${JSON.stringify(parsed)}`)
    }
  })
}

test('no text makes a parser throw', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'/.:[]0123abc?{}@-'.split('')) }),
  )
  fc.assert(
    fc.property(texts, (text) => {
      for (const [parse] of TABLE) parse(text)
    }),
  )
})

test('a relative path starts at the directory that was given', () => {
  assert.deepEqual(parsePath('mail/x', '/srv'), { ok: true, value: '/srv/mail/x' })
  assert.equal(parsePath('../x', '/srv').ok, false)
})

test('durations and sizes are written so that they read the same again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999 }), (amount) => {
      assert.deepEqual(parseDuration(formatDuration(amount)), { ok: true, value: amount })
      assert.deepEqual(parseSize(formatSize(amount)), { ok: true, value: amount })
    }),
  )
  assert.equal(formatDuration(604_800), '7d')
  assert.equal(formatSize(52_428_800), '50MB')
})
