/**
 * Lists of addresses as header fields and command lines hold them: groups, comments, quoted strings,
 * routes, literals. Read in one pass, in time proportional to the text.
 *
 * Keeps what a person wrote: phrases and comments stay as they stand, and the words of an address keep
 * their quoting. Text is taken character by character, so one character may be one byte (Latin-1) or
 * one code unit, as the caller likes.
 *
 * More lenient than RFC 5322 section 3.4 in what mail has always tolerated: two words in a row are two
 * addresses, a phrase may hold dots and `@`, an address may be empty (`<>`) or without domain. RFC 5322
 * section 4.4 (routes) is read. An open comment, string, literal, group or angle bracket is refused.
 */

import type { Result } from '../result.ts'
import { ok, refused } from '../result.ts'
import type { Token } from './address-tokens.ts'
import { tokenize, wordValue } from './address-tokens.ts'
import type { Mailbox } from './mailbox.ts'

/** A piece of an address: a word, or one of `. @`, and `, :` inside a route. */
export type Word = Pick<Token, 'kind' | 'text'>

export interface Address {
  /** What stands before `<`, as written, folding undone; absent for a bare address. */
  readonly phrase?: string
  /** Written in angle brackets. */
  readonly angle: boolean
  readonly words: readonly Word[]
  /** Each with its parentheses. */
  readonly comments: readonly string[]
}

export interface Group {
  readonly groupName: string
  readonly members: readonly Address[]
}

export type Entry = Address | Group

export type AddressListProblem =
  | 'a comment is not closed'
  | 'a quoted string is not closed'
  | 'an address literal is not closed'
  | 'a ) or ] stands alone'
  | 'an angle bracket is not closed or not opened'
  | 'two words without an operator between angle brackets'
  | 'a comma or colon between angle brackets'
  | 'a group inside a group'
  | 'a group without a name'
  | 'a group is not closed by a semicolon'
  | 'a semicolon outside a group'
  | 'too many addresses'

/** At most `most` addresses are read; the text's length is for the caller to limit. */
export function parseAddressList(
  text: string,
  most: number,
): Result<readonly Entry[], AddressListProblem> {
  const tokens = tokenize(text)
  if (!tokens.ok) return tokens
  return new ListReader(text, tokens.value, most).read()
}

/** All addresses in order, those of groups included. */
export function addressesOf(entries: readonly Entry[]): readonly Address[] {
  return entries.flatMap((entry) => ('members' in entry ? entry.members : [entry]))
}

/** The mailbox an address names, its quoting undone; absent for an empty address. */
export function mailboxOf(address: Address): Mailbox | undefined {
  const { words } = address
  if (words.length === 0) return undefined
  const at = words.findLastIndex((word) => word.kind === '@')
  const local = at === -1 ? words : words.slice(0, at)
  const domain = at === -1 ? [] : words.slice(at + 1)
  return {
    localPart: local.map(wordValue).join(''),
    domain: domain.map((word) => word.text).join(''),
  }
}

/** Reads entries from tokens, one segment (up to the next separator) at a time. */
class ListReader {
  readonly #text: string
  readonly #tokens: readonly Token[]
  readonly #most: number
  readonly #entries: Entry[] = []
  #group: { readonly groupName: string; readonly members: Address[] } | undefined
  #count = 0
  #next = 0

  constructor(text: string, tokens: readonly Token[], most: number) {
    this.#text = text
    this.#tokens = tokens
    this.#most = most
  }

  read(): Result<readonly Entry[], AddressListProblem> {
    while (this.#next < this.#tokens.length) {
      const problem = this.#readSegment()
      if (problem !== undefined) return refused(problem)
      if (this.#count > this.#most) return refused('too many addresses')
    }
    return this.#group === undefined
      ? ok(this.#entries)
      : refused('a group is not closed by a semicolon')
  }

  #readSegment(): AddressListProblem | undefined {
    const from = this.#next
    let to = from
    while (to < this.#tokens.length && !isSeparator(this.#tokens[to])) to += 1
    const separator = this.#tokens[to]?.kind
    this.#next = to + 1
    if (separator === '<') return this.#readAngle(from, to)
    if (separator === ':') return this.#openGroup(from, to)
    if (separator === '>') return 'an angle bracket is not closed or not opened'
    this.#addBare(this.#tokens.slice(from, to))
    return separator === ';' ? this.#closeGroup() : undefined
  }

  #openGroup(from: number, to: number): AddressListProblem | undefined {
    if (this.#group !== undefined) return 'a group inside a group'
    const groupName = this.#textBetween(from, to)
    if (groupName === '') return 'a group without a name'
    this.#group = { groupName, members: [] }
    return undefined
  }

  #closeGroup(): AddressListProblem | undefined {
    if (this.#group === undefined) return 'a semicolon outside a group'
    this.#entries.push(this.#group)
    this.#group = undefined
    return undefined
  }

  #readAngle(from: number, open: number): AddressListProblem | undefined {
    let close = open + 1
    while (close < this.#tokens.length && !isBracket(this.#tokens[close])) close += 1
    if (this.#tokens[close]?.kind !== '>') return 'an angle bracket is not closed or not opened'
    const inside = this.#tokens.slice(open + 1, close)
    const words = inside.filter((token) => token.kind !== 'comment')
    const problem = checkAngleWords(words)
    if (problem !== undefined) return problem
    let after = close + 1
    while (this.#tokens[after]?.kind === 'comment') after += 1
    this.#next = after
    const comments = [...inside, ...this.#tokens.slice(close + 1, after)].filter(isComment)
    const phrase = this.#textBetween(from, open)
    this.#add({
      ...(phrase === '' ? {} : { phrase }),
      angle: true,
      words: words.map(wordOf),
      comments: comments.map((comment) => unfold(comment.text)),
    })
    return undefined
  }

  /** Words without angle brackets: a new address begins wherever two words have no operator between. */
  #addBare(tokens: readonly Token[]): void {
    let words: Word[] = []
    let comments: string[] = []
    const finish = () => {
      if (words.length > 0) this.#add({ angle: false, words, comments })
      words = []
      comments = []
    }
    for (const token of tokens) {
      if (token.kind === 'comment') {
        comments.push(unfold(token.text))
        continue
      }
      const last = words.at(-1)
      if (last !== undefined && isText(last) && isText(token)) finish()
      words.push(wordOf(token))
    }
    finish()
  }

  #add(address: Address): void {
    this.#count += 1
    if (this.#group === undefined) this.#entries.push(address)
    else this.#group.members.push(address)
  }

  #textBetween(from: number, to: number): string {
    const first = this.#tokens[from]
    const last = this.#tokens[to - 1]
    if (first === undefined || last === undefined || to <= from) return ''
    return unfold(this.#text.slice(first.start, last.end))
  }
}

function checkAngleWords(words: readonly Token[]): AddressListProblem | undefined {
  const route = words[0]?.kind === '@'
  for (const [index, word] of words.entries()) {
    const before = words[index - 1]
    if (before !== undefined && isText(before) && isText(word)) {
      return 'two words without an operator between angle brackets'
    }
    if (word.kind === ';' || (!route && (word.kind === ',' || word.kind === ':'))) {
      return 'a comma or colon between angle brackets'
    }
  }
  return undefined
}

function isSeparator(token: Token | undefined): boolean {
  return token !== undefined && [',', ':', ';', '<', '>'].includes(token.kind)
}

function isBracket(token: Token | undefined): boolean {
  return token?.kind === '<' || token?.kind === '>'
}

function isComment(token: Token): boolean {
  return token.kind === 'comment'
}

function isText(word: Word): boolean {
  return word.kind === 'atom' || word.kind === 'quoted' || word.kind === 'literal'
}

function wordOf({ kind, text }: Token): Word {
  return { kind, text }
}

function unfold(text: string): string {
  return text.replaceAll(/[\r\n]/g, '')
}
