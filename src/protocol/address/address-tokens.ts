/**
 * The words, operators and comments of an address list.
 *
 * White space only separates. An atom with a backslash in it becomes the quoted string it means, so
 * that whatever comes out of here may be written into a header field again.
 *
 *     atom    = 1*(any but white space and ( ) [ ] " < > ; : @ , . / "\" any)
 *     quoted  = DQUOTE *(any but DQUOTE "\" / "\" any) DQUOTE
 *     literal = "[" *(any but "]" "\" / "\" any) "]"
 *     comment = "(" *(any but ( ) "\" / "\" any / comment) ")"
 *
 * RFC 5322 section 3.2 (lexical tokens), section 3.4.1 (domain-literal).
 */

import type { Result } from '../result.ts'
import { ok, refused } from '../result.ts'

export type Operator = '.' | '@' | ',' | ':' | ';' | '<' | '>'
export type TokenKind = 'atom' | 'quoted' | 'literal' | 'comment' | Operator

export interface Token {
  readonly kind: TokenKind
  /** As it may be written again, delimiters included. */
  readonly text: string
  /** Where it stood. */
  readonly start: number
  readonly end: number
}

export type TokenProblem =
  | 'a comment is not closed'
  | 'a quoted string is not closed'
  | 'an address literal is not closed'
  | 'a ) or ] stands alone'

const OPERATORS = '.@,:;<>'
const SPACE = ' \t\r\n'
const ENDS_ATOM = `${SPACE}([])"${OPERATORS}`

export function tokenize(text: string): Result<readonly Token[], TokenProblem> {
  const tokens: Token[] = []
  let offset = 0
  while (offset < text.length) {
    const first = text.charAt(offset)
    if (SPACE.includes(first)) {
      offset += 1
      continue
    }
    const token = readToken(text, offset, first)
    if (typeof token === 'string') return refused(token)
    tokens.push(token)
    offset = token.end
  }
  return ok(tokens)
}

/** What a word means: its quoting undone. */
export function wordValue(word: Pick<Token, 'kind' | 'text'>): string {
  return word.kind === 'quoted' ? unescape(word.text.slice(1, -1)) : word.text
}

function readToken(text: string, start: number, first: string): Token | TokenProblem {
  switch (first) {
    case '(':
      return delimited(text, start, 'comment') ?? 'a comment is not closed'
    case '"':
      return delimited(text, start, 'quoted') ?? 'a quoted string is not closed'
    case '[':
      return delimited(text, start, 'literal') ?? 'an address literal is not closed'
    case ')':
    case ']':
      return 'a ) or ] stands alone'
    default:
      if (!OPERATORS.includes(first)) return atom(text, start)
      return { kind: first as Operator, text: first, start, end: start + 1 }
  }
}

const CLOSES = { comment: ')', quoted: '"', literal: ']' } as const

function delimited(text: string, start: number, kind: keyof typeof CLOSES): Token | undefined {
  let depth = 1
  for (let end = start + 1; end < text.length; end += 1) {
    const character = text.charAt(end)
    if (character === '\\') end += 1
    else if (kind === 'comment' && character === '(') depth += 1
    else if (character === CLOSES[kind]) {
      depth -= 1
      if (depth === 0) {
        return { kind, text: text.slice(start, end + 1), start, end: end + 1 }
      }
    }
  }
  return undefined
}

function atom(text: string, start: number): Token {
  let end = start
  let escaped = false
  while (end < text.length && !ENDS_ATOM.includes(text.charAt(end))) {
    if (text.charAt(end) === '\\') {
      escaped = true
      end += 1
    }
    end += 1
  }
  end = Math.min(end, text.length)
  const raw = text.slice(start, end)
  if (!escaped) return { kind: 'atom', text: raw, start, end }
  const quoted = `"${unescape(raw).replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return { kind: 'quoted', text: quoted, start, end }
}

function unescape(text: string): string {
  return text.replaceAll(/\\([\s\S]?)/g, '$1')
}
