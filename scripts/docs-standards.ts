/**
 * Which part of the code serves which section of which standard: collected from the comments, where they are
 * always cited as `RFC 5321 section 4.5.1`.
 */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const TITLES: Readonly<Record<string, string>> = {
  1035: 'Domain names: implementation and specification',
  1122: 'Requirements for Internet hosts: communication layers',
  1870: 'SMTP: message size declaration',
  2034: 'SMTP: enhanced error codes',
  2047: 'MIME: header extensions for non-ASCII text',
  2181: 'Clarifications to the DNS specification',
  2308: 'Negative caching of DNS queries',
  2505: 'Anti-spam recommendations for MTAs',
  2920: 'SMTP: command pipelining',
  3030: 'SMTP: large and binary messages (CHUNKING)',
  3461: 'SMTP: delivery status notifications',
  3462: 'The multipart/report content type',
  3463: 'Enhanced mail system status codes',
  3464: 'An extensible message format for delivery status notifications',
  3834: 'Recommendations for automatic responses to mail',
  3848: 'ESMTP and LMTP transmission types',
  4155: 'The application/mbox media type',
  4291: 'IP version 6 addressing architecture',
  4632: 'Classless inter-domain routing',
  5321: 'Simple Mail Transfer Protocol',
  5322: 'Internet message format',
  5452: 'Measures against forged DNS answers',
  5891: 'Internationalized domain names: protocol',
  6152: 'SMTP: 8-bit MIME transport',
  6409: 'Message submission',
  6522: 'The multipart/report media type',
  6531: 'SMTP: internationalized email',
  6532: 'Internationalized email headers',
  6533: 'Internationalized delivery status notifications',
  6891: 'Extension mechanisms for DNS',
  7505: 'Null MX',
  7766: 'DNS transport over TCP',
  8305: 'Happy Eyeballs',
  9228: 'The Delivered-To header field',
}

interface Citation {
  readonly rfc: number
  readonly section: string
  readonly file: string
}

export function standardsPage(source: string): string {
  const files = globSync('**/*.ts', { cwd: source })
    .filter((file) => !file.endsWith('.test.ts'))
    .sort()
  const citations = files.flatMap((file) =>
    citationsIn(readFileSync(join(source, file), 'utf8')).map((found) => ({ ...found, file })),
  )
  const rfcs = [...new Set(citations.map(({ rfc }) => rfc))].sort((one, other) => one - other)
  return `<!-- Made by scripts/docs.ts of the comments in the code. -->

# Standards

Which file serves which section of which standard. A deviation is stated, with its reason, in the file.

${rfcs
  .map((rfc) =>
    chapter(
      rfc,
      citations.filter((citation) => citation.rfc === rfc),
    ),
  )
  .join('\n')}`
}

/** A section belongs to the standard named before it in the same paragraph. */
function citationsIn(text: string): readonly Omit<Citation, 'file'>[] {
  const found: Omit<Citation, 'file'>[] = []
  for (const paragraph of text.split(/\n[ */]*\n/)) {
    let rfc: number | undefined
    const words = paragraph.replaceAll(/\n *(?:\*|\/\/)? */g, ' ')
    for (const match of words.matchAll(
      /RFC (\d{3,5})|section (\d[\d.]*\d|\d|[A-Z](?:\.\d+)*)\b/g,
    )) {
      if (match[1] !== undefined) {
        rfc = Number(match[1])
        found.push({ rfc, section: '' })
      } else if (rfc !== undefined) found.push({ rfc, section: match[2] ?? '' })
    }
  }
  return found
}

function chapter(rfc: number, citations: readonly Citation[]): string {
  const sections = [...new Set(citations.map(({ section }) => section))].sort(bySection)
  const rows = sections.flatMap((section) => {
    const files = new Set(
      citations.filter((one) => one.section === section).map(({ file }) => file),
    )
    // Named as a whole is worth a line only where no section is named by the same file.
    const shown = [...files].filter(
      (file) => section !== '' || !citations.some((one) => one.file === file && one.section !== ''),
    )
    if (shown.length === 0) return []
    const links = shown.map((file) => `[${file}](../src/${file})`)
    return [`| ${section === '' ? 'as a whole' : section} | ${links.join(', ')} |`]
  })
  const title = TITLES[rfc] === undefined ? '' : `: ${TITLES[rfc]}`
  const heading = `## [RFC ${rfc}](https://www.rfc-editor.org/rfc/rfc${rfc})${title}`
  return `${heading}\n\n| Section | Where |\n|---|---|\n${rows.join('\n')}\n`
}

function bySection(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true })
}
