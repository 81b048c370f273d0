import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { settingsAnswer } from '../../contracts/supervision.ts'
import { answerQuestion } from './answer.ts'
import { parseResolverFile } from './resolver.ts'

const HOST = 'hostname = "mail.example.org"\n'

function answer(text: string | Uint8Array) {
  return answerQuestion({
    text: Buffer.from(text),
    directory: undefined,
    readResolverFile: () => 'nameserver 192.0.2.53\n',
  })
}

test('the answer is what the supervisor can decode', () => {
  const decoded = settingsAnswer(JSON.parse(JSON.stringify(answer(HOST))))
  assert.ok(decoded.ok && decoded.value.kind === 'settings')
  assert.deepEqual(Object.keys(decoded.value.parts).length, 6)
})

test('without name servers in the settings, those of the host are taken', () => {
  const given = answer(HOST)
  assert.ok(given.kind === 'settings')
  const remote = given.parts.remote as { readonly dns: unknown }
  assert.deepEqual(remote.dns, { servers: [{ host: '192.0.2.53', port: 53 }] })
})

test('no part holds what its program has no business to know', () => {
  const given = answer(`${HOST}[domains."shop.example"]\nmaildir="/srv/{local}/x"\nuser="vmail"\n`)
  const other = answer(`${HOST}[domains."shop.example"]\nmaildir="/srv/m/{local}/"\nuser="vmail"\n`)
  assert.ok(given.kind === 'problems' || given.kind === 'settings')
  assert.ok(other.kind === 'settings')
  const { receiver, remote, launcher } = other.parts
  assert.ok(!JSON.stringify([receiver, remote]).includes('/var/spool/postern'))
  assert.deepEqual((launcher as { readonly mailboxGroups: unknown }).mailboxGroups, {
    'shop.example': { root: '/srv/m/', user: 'vmail' },
  })
})

test('the spool is named to the launcher only where mail goes there', () => {
  const spoolOf = (text: string) => {
    const given = answer(text)
    assert.ok(given.kind === 'settings')
    return (given.parts.launcher as { readonly spool?: string }).spool
  }
  assert.equal(spoolOf(HOST), undefined)
  assert.equal(spoolOf(`${HOST}[local]\ndeliver = "/var/mail/{account}"\n`), '/var/mail')
})

test('problems of single settings and of combinations come together, in the order of the file', () => {
  const given = answer(`${HOST}[relay]\nfrom = ["0.0.0.0/0"]\n[limits]\nhops = "x"\n`)
  assert.ok(given.kind === 'problems')
  assert.deepEqual(
    given.problems.map(({ line, setting }) => `${line} ${setting}`),
    ['3 relay.from', '5 limits.hops'],
  )
})

test('bytes that are no text are one problem', () => {
  const given = answer(Uint8Array.of(0x68, 0xff, 0xfe))
  assert.ok(given.kind === 'problems' && given.problems.length === 1)
})

test("the resolver's file is read as the system reads it", () => {
  const text =
    '# x\nsearch a.b\nnameserver 192.0.2.1\nnameserver  ::1 # home\nnameserver nonsense\n'
  assert.deepEqual(parseResolverFile(text), [
    { host: '192.0.2.1', port: 53 },
    { host: '::1', port: 53 },
  ])
  assert.deepEqual(parseResolverFile(''), [{ host: '127.0.0.1', port: 53 }])
  assert.equal(parseResolverFile('nameserver 192.0.2.1\n'.repeat(9)).length, 3)
})

test('the program answers a large configuration whole, and exits 0', () => {
  const domains = Array.from({ length: 5_000 }, (_, index) => `[domains."d${index}.example"]`)
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), '/base'], {
    input: HOST + domains.join('\n'),
    maxBuffer: 16_777_216,
  })
  assert.equal(done.status, 0, done.stderr.toString())
  const decoded = settingsAnswer(JSON.parse(done.stdout.toString()))
  assert.ok(decoded.ok && decoded.value.kind === 'settings')
})
