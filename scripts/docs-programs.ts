/**
 * The trust table of docs/architecture.md, made of src/contracts/programs.ts: who each program runs as and
 * all it may touch. The page around it is written by hand.
 */

import type { Place, Privileges } from '../src/contracts/programs.ts'

const BEGIN = '<!-- trust table: made by scripts/docs.ts of src/contracts/programs.ts -->'
const END = '<!-- end of the trust table -->'

const PLACES: Readonly<Record<Place, string>> = {
  queue: '`paths.queue`',
  drop: '`paths.drop`',
  home: 'its home',
  maildirs: 'its Maildirs',
  spool: 'the mail spool',
  resolver: '`/etc/resolv.conf`',
}
/** The page with its table as it has to be; undefined for a page without a place for it. */
export function withTrustTable(
  text: string | undefined,
  programs: Readonly<Record<string, Privileges>>,
): string | undefined {
  const [begin, end] = [text?.indexOf(BEGIN) ?? -1, text?.indexOf(END) ?? -1]
  if (text === undefined || begin === -1 || end < begin) return undefined
  return `${text.slice(0, begin)}${BEGIN}\n\n${trustTable(programs)}\n${text.slice(end)}`
}

function trustTable(programs: Readonly<Record<string, Privileges>>): string {
  const rows = Object.entries(programs).map(([name, row]) => rowOf(name, row))
  return [
    '| program | runs as | reads | writes | network | children | native code | SQLite |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function rowOf(name: string, row: Privileges): string {
  const user = row.user.startsWith('postern-') ? `\`${row.user}\`` : row.user
  const cells = [
    name,
    row.group === undefined ? user : `${user}, group \`${row.group}\``,
    placesOf(row.reads),
    placesOf(row.writes),
    yesNo(row.network),
    yesNo(row.children),
    yesNo(row.addons),
    yesNo(row.sqlite),
  ]
  return `| ${cells.join(' | ')} |`
}

function placesOf(places: readonly Place[]): string {
  return places.length === 0 ? 'nothing' : places.map((place) => PLACES[place]).join(', ')
}

function yesNo(allowed: boolean): string {
  return allowed ? '**yes**' : 'no'
}
