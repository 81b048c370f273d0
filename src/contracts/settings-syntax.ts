/**
 * The words an administrator writes into `postern.toml`, each with its parser: `5d`, `50MB`,
 * `[::1]:25`, `10.0.0.0/8`, `smtp://mx.internal:2525`.
 *
 * A problem is a whole sentence that says what would be right. Domains are expected in ASCII here;
 * whoever reads the file has turned U-labels into A-labels before.
 *
 * RFC 4632 section 3.1 (address blocks), RFC 1035 section 2.3.1 and RFC 5891 section 4.4 (domains).
 */

import { parseIpAddress } from '../protocol/address/ip-address.ts'
import type { Result } from '../protocol/result.ts'
import { ok, refused } from '../protocol/result.ts'
import { ACCOUNT_PATTERN } from './account.ts'
import type { AddressBlock, Endpoint, Route, Settings } from './settings.ts'

export type Parsed<Value> = Result<Value, string>

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_024,
  MB: 1_048_576,
  GB: 1_073_741_824,
}

/** duration = 1*DIGIT *SP ("s" / "m" / "h" / "d" / "w"), in seconds. */
export function parseDuration(text: string): Parsed<number> {
  const seconds = amountOf(text, /^(\d{1,9}) *([smhdw])$/, SECONDS)
  return seconds === undefined
    ? refused('not a duration: write a number and s, m, h, d or w, as in "30s", "4h" or "7d"')
    : ok(seconds)
}

/** The shortest way to write it: 604800 is `7d`. */
export function formatDuration(seconds: number): string {
  const unit = ['d', 'h', 'm'].find((unit) => seconds > 0 && seconds % (SECONDS[unit] ?? 1) === 0)
  return `${seconds / (SECONDS[unit ?? 's'] ?? 1)}${unit ?? 's'}`
}

/** size = 1*DIGIT *SP ("B" / "KB" / "MB" / "GB"), counted in 1,024s. */
export function parseSize(text: string): Parsed<number> {
  const bytes = amountOf(text.toUpperCase(), /^(\d{1,9}) *(B|KB|MB|GB)$/, BYTES)
  return bytes === undefined
    ? refused('not a size: write a number and B, KB, MB or GB, as in "50MB"')
    : ok(bytes)
}

export function formatSize(bytes: number): string {
  const unit = ['GB', 'MB', 'KB'].find((unit) => bytes > 0 && bytes % (BYTES[unit] ?? 1) === 0)
  return `${bytes / (BYTES[unit ?? 'B'] ?? 1)}${unit ?? 'B'}`
}

function amountOf(
  text: string,
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const [, digits, unit] = pattern.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const amount = Number(digits) * (units[unit] ?? Number.NaN)
  return Number.isSafeInteger(amount) ? amount : undefined
}

/** port = 1*5DIGIT, at most 65535; 0 lets the system choose. */
function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : undefined
}

/** `host:port`, `[address]:port`; the port may be missing. */
function splitPort(text: string): { readonly host: string; readonly port?: string } {
  const [, inside, behind] = /^\[([^\]]*)\](?::([^:]*))?$/.exec(text) ?? []
  const [, host, port] = /^([^:]*):([^:]*)$/.exec(text) ?? []
  if (inside !== undefined)
    return behind === undefined ? { host: inside } : { host: inside, port: behind }
  return host === undefined || port === undefined ? { host: text } : { host, port }
}

/** endpoint = (IPv4 / "[" IPv6 "]") ":" port */
export function parseEndpoint(text: string): Parsed<Endpoint> {
  const { host, port } = splitPort(text)
  const example = 'as in "127.0.0.1:25" or "[::1]:25"'
  if (port === undefined) return refused(`an address and a port are needed, ${example}`)
  if (parseIpAddress(host) === undefined) return refused(`not an address and a port, ${example}`)
  const number = parsePort(port)
  return number === undefined
    ? refused(`the port must be a number from 0 to 65535, ${example}`)
    : ok({ host, port: number, name: text })
}

/** resolver = IPv4 [":" port] / IPv6 / "[" IPv6 "]" [":" port]; the port is 53 otherwise. */
export function parseResolver(text: string): Parsed<Settings['dns']['servers'][number]> {
  if (parseIpAddress(text) !== undefined) return ok({ host: text, port: 53 })
  const { host, port } = splitPort(text)
  const number = parsePort(port ?? '53')
  return parseIpAddress(host) === undefined || number === undefined || number === 0
    ? refused('not the address of a name server, as in "127.0.0.1", "127.0.0.1:5353" or "[::1]:53"')
    : ok({ host, port: number })
}

/** block = address ["/" prefix]; without a prefix it is that one address. */
export function parseAddressBlock(text: string): Parsed<AddressBlock> {
  const [address = '', prefix, ...more] = text.split('/')
  const start = parseIpAddress(address)
  if (start === undefined || more.length > 0) {
    return refused('not a block of addresses, as in "10.1.0.0/16", "192.0.2.7" or "2001:db8::/32"')
  }
  const bits = start.bytes.length * 8
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : bits + 1
  if (length > bits) return refused(`the number behind "/" must be from 0 to ${bits}`)
  return hasBitsBeyond(start.bytes, length)
    ? refused(`the address has bits set beyond its first ${length}: which addresses are meant?`)
    : ok({ address, family: start.family, prefix: length })
}

function hasBitsBeyond(bytes: readonly number[], length: number): boolean {
  const mask = (index: number) => 0xff >> Math.min(8, Math.max(0, length - index * 8))
  return bytes.some((byte, index) => (byte & mask(index)) !== 0)
}

/**
 * A domain in ASCII, as it is compared: lower case, without a trailing dot.
 *
 *     domain = label *("." label)     label = (letter / digit / "_") *62(letter / digit / "_" / "-")
 */
export function parseDomain(text: string): Parsed<string> {
  const domain = text.toLowerCase().replace(/\.$/, '')
  const labels = domain.split('.')
  const fits = labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  return fits && domain.length <= 253 && parseIpAddress(domain) === undefined
    ? ok(domain)
    : refused('not a domain, as in "example.org"')
}

/** The full name of this host: what it says in its greeting and writes into messages. */
export function parseHostname(text: string): Parsed<string> {
  const domain = parseDomain(text)
  return domain.ok && /^[^.]+(?:\.[^.]+)*\.[^.]*[a-z][^.]*$/.test(domain.value)
    ? domain
    : refused('not the full name of a host, as in "mail.example.org"')
}

export function parseAccount(text: string): Parsed<string> {
  return ACCOUNT_PATTERN.test(text)
    ? ok(text)
    : refused('not an account name: lower-case letters, digits, "_", "-" and ".", at most 32')
}

/** Who gets postmaster's mail: an account, or an address. */
export function parsePostmaster(text: string): Parsed<string> {
  const at = text.lastIndexOf('@')
  if (at === -1) return parseAccount(text)
  const local = /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}$/.test(text.slice(0, at))
  const domain = parseDomain(text.slice(at + 1))
  return local && domain.ok
    ? ok(`${text.slice(0, at)}@${domain.value}`)
    : refused('neither an account nor an address, as in "root" or "postmaster@example.org"')
}

/** An absolute path, without `..` and not the root itself; relative ones start at `directory`. */
export function parsePath(text: string, directory: string | undefined): Parsed<string> {
  if (text === '' || /[\0-\x1f\x7f]/.test(text)) return refused('not a path')
  if (!text.startsWith('/') && directory === undefined) {
    return refused('the path must begin with "/"')
  }
  const whole = text.startsWith('/') ? text : `${directory}/${text}`
  const parts = whole.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) return refused('the path must not contain ".."')
  if (parts.length === 0) return refused('the path must not be "/"')
  const path = `/${parts.join('/')}${whole.endsWith('/') ? '/' : ''}`
  const bytes = new TextEncoder().encode(path).length
  return bytes > 1_000 ? refused('the path is longer than 1,000 bytes') : ok(path)
}

/** Where the Maildirs of a virtual domain lie: a path with `{local}` below a directory of its own. */
export function parseMaildirTemplate(text: string, directory: string | undefined): Parsed<string> {
  const path = parsePath(`${text}/`, directory)
  if (!path.ok) return path
  const [root = '', ...rest] = path.value.split('{local}')
  if (rest.length === 0) {
    return refused('"{local}" is missing: it stands for the local part, as in "/srv/mail/{local}/"')
  }
  if (rest.length > 1) return refused('"{local}" must stand in it once')
  return root.lastIndexOf('/') === 0
    ? refused('a directory must come before "{local}", as in "/srv/mail/{local}/"')
    : path
}

/**
 * Where mail of accounts goes: `Maildir/` or `mbox` in the home, or the mail spool. Answers the
 * spool as `/var/mail/{account}`, however it was written.
 */
export function parseDeliver(text: string): Parsed<string> {
  if (!text.startsWith('/')) return parseDeliverInHome(text)
  const spool = /^((?:\/[^/{}]+)+)\/(?:\{account\})?$/.exec(text)?.[1]
  const path = spool === undefined ? undefined : parsePath(spool, undefined)
  return path?.ok === true
    ? ok(`${path.value}/{account}`)
    : refused('a path outside the home must end in "/{account}", as in "/var/mail/{account}"')
}

function parseDeliverInHome(text: string): Parsed<string> {
  const path = parsePath(text, '/home')
  if (!path.ok) return path
  return /[{}]/.test(text)
    ? refused('a name in the home holds no "{" or "}": write "Maildir/" or "mbox"')
    : ok(path.value.slice('/home/'.length))
}

/** log target = "stderr" / "syslog" / path */
export function parseLogTarget(
  text: string,
  directory: string | undefined,
): Parsed<Settings['log']['to']> {
  if (text === 'stderr' || text === 'syslog') return ok({ kind: text })
  const path = text.includes('/') ? parsePath(text, directory) : undefined
  return path?.ok === true && !path.value.endsWith('/')
    ? ok({ kind: 'file', path: path.value })
    : refused('write "stderr", "syslog" or the path of a file, as in "/var/log/postern.log"')
}

/** pattern = "*" / ["."] domain */
export function parseRoutePattern(text: string): Parsed<string> {
  if (text === '*') return ok(text)
  const dot = text.startsWith('.') ? '.' : ''
  const domain = parseDomain(text.slice(dot.length))
  return domain.ok
    ? ok(`${dot}${domain.value}`)
    : refused('not a pattern of domains: write "example.org", ".example.org" or "*"')
}

type Target = Route extends infer R ? (R extends Route ? Omit<R, 'pattern'> : never) : never

/**
 *     route = "mx"
 *           / "smtp://" (domain / IPv4 / "[" IPv6 "]") [":" port]
 *           / "maildir:" path "?user=" account
 */
export function parseRoute(text: string, directory: string | undefined): Parsed<Target> {
  if (text === 'mx') return ok({ to: 'mx' })
  if (text.startsWith('smtp://')) return parseSmtpRoute(text.slice('smtp://'.length))
  if (text.startsWith('maildir:')) {
    return parseMaildirRoute(text.slice('maildir:'.length), directory)
  }
  return refused('not a route: write "smtp://host:port", "mx" or "maildir:/path/?user=account"')
}

function parseSmtpRoute(text: string): Parsed<Target> {
  const { host, port } = splitPort(text.replace(/\/$/, ''))
  const number = parsePort(port ?? '25')
  if (number === undefined || number === 0) return refused('the port must be from 1 to 65535')
  const address = parseIpAddress(host)
  if (host.includes(':') && !text.startsWith('[')) {
    return refused('an IPv6 address stands in brackets, as in "smtp://[2001:db8::1]:25"')
  }
  const domain = address === undefined ? parseDomain(host) : ok(host)
  return domain.ok
    ? ok({ to: 'host', host: domain.value, port: number })
    : refused('not a host, as in "smtp://mx.internal:2525" or "smtp://192.0.2.1"')
}

function parseMaildirRoute(text: string, directory: string | undefined): Parsed<Target> {
  const mark = text.lastIndexOf('?user=')
  if (mark === -1) return refused('"?user=" is missing: the account that the Maildir belongs to')
  const user = parseAccount(text.slice(mark + '?user='.length))
  if (!user.ok) return user
  const path = parsePath(`${text.slice(0, mark)}/`, directory)
  return path.ok ? ok({ to: 'maildir', maildir: path.value, user: user.value }) : path
}
