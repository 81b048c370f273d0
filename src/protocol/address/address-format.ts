/**
 * Completing the addresses of a header field by fixed rules, and writing the field again.
 *
 * The names are never looked up: `joe` gets a host, `joe@mac` a domain, by what the administrator has
 * said and by nothing else. Names that are not set leave their rule out.
 *
 * Lines fold after commas only, so that no address is ever broken. RFC 5322 section 2.2.3 (folding).
 */

import type { Address, Entry, Word } from './address-list.ts'

export interface CompletingNames {
  /** Appended to an address without a domain. */
  readonly defaultHost: string
  /** Appended to a host without a dot. */
  readonly defaultDomain?: string
  /** Put in place of a `+` at the end of a host. */
  readonly plusDomain?: string
}

const FOLD_WIDTH = 80

export function completeEntry(entry: Entry, names: CompletingNames): Entry {
  if (!('members' in entry)) return completeAddress(entry, names)
  return { ...entry, members: entry.members.map((member) => completeAddress(member, names)) }
}

/** The same object if there is nothing to complete. */
export function completeAddress(address: Address, names: CompletingNames): Address {
  const { words } = address
  if (words.length === 0 || domainText(words) === '[]') return address
  const kept = withoutTrailing('.', withoutRoute(words))
  if (kept.length === 0) return { ...address, words: [] }
  const local = withoutTrailing('@', kept)
  const hosted = local.some((word) => word.kind === '@')
    ? local
    : [...local, AT, ...domainWords(names.defaultHost)]
  const complete = withDomain(hosted, names)
  return complete === words ? address : { ...address, words: complete }
}

const AT: Word = { kind: '@', text: '@' }
const DOT: Word = { kind: '.', text: '.' }

function withoutRoute(words: readonly Word[]): readonly Word[] {
  if (words[0]?.kind !== '@') return words
  const colon = words.findIndex((word) => word.kind === ':')
  return colon === -1 ? [] : words.slice(colon + 1)
}

function withoutTrailing(kind: '.' | '@', words: readonly Word[]): readonly Word[] {
  return words.at(-1)?.kind === kind ? words.slice(0, -1) : words
}

function withDomain(words: readonly Word[], names: CompletingNames): readonly Word[] {
  const last = words.at(-1)
  if (last?.kind !== 'atom') return words
  if (last.text.endsWith('+') && names.plusDomain !== undefined) {
    const label: Word = { kind: 'atom', text: last.text.slice(0, -1) }
    return [...words.slice(0, -1), label, DOT, ...domainWords(names.plusDomain)]
  }
  const dotted = words
    .slice(words.findLastIndex((word) => word.kind === '@') + 1)
    .some((word) => word.kind === '.')
  if (dotted || names.defaultDomain === undefined) return words
  return [...words, DOT, ...domainWords(names.defaultDomain)]
}

function domainWords(domain: string): readonly Word[] {
  return domain
    .split('.')
    .flatMap((label, index): readonly Word[] =>
      index === 0 ? [{ kind: 'atom', text: label }] : [DOT, { kind: 'atom', text: label }],
    )
}

function domainText(words: readonly Word[]): string {
  const at = words.findLastIndex((word) => word.kind === '@')
  return at === -1 ? '' : textOf(words.slice(at + 1))
}

function textOf(words: readonly Word[]): string {
  return words.map((word) => word.text).join('')
}

export function formatAddress(address: Address): string {
  const spec = textOf(address.words)
  const { phrase } = address
  const named = phrase === undefined ? `<${spec}>` : `${phrase} <${spec}>`
  return [address.angle ? named : spec, ...address.comments].join(' ')
}

/** The whole field, folded, LF form. */
export function formatAddressField(name: string, entries: readonly Entry[]): string {
  const pieces = entries.flatMap(piecesOf)
  const parts: string[] = [`${name}:`]
  let column = name.length + 1
  for (const [index, piece] of pieces.entries()) {
    const text = index === pieces.length - 1 ? piece : `${piece},`
    const fold = index > 0 && column + 1 + text.length > FOLD_WIDTH
    parts.push(fold ? '\n  ' : ' ', text)
    column = (fold ? 2 : column + 1) + text.length
  }
  return `${parts.join('')}\n`
}

/** What is separated by commas: addresses, the first and last of a group with the group's marks. */
function piecesOf(entry: Entry): readonly string[] {
  if (!('members' in entry)) return [formatAddress(entry)]
  const members = entry.members.map(formatAddress)
  if (members.length === 0) return [`${entry.groupName}: ;`]
  return members.map((member, index) => {
    const opened = index === 0 ? `${entry.groupName}: ${member}` : member
    return index === members.length - 1 ? `${opened};` : opened
  })
}
