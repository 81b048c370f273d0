/**
 * The table of settings as a manual, as a list of limits, and as a JSON Schema for editors.
 */

import type { JsonSchema, Page, Pages } from '../src/contracts/settings-rows.ts'
import { LIMITS } from '../src/policy/limits.ts'

type Setting = Extract<Page, { readonly kind: 'setting' }>

const GENERATED = '<!-- Made by scripts/docs.ts; change the code instead. -->\n'

export function settingsPage(pages: Pages): string {
  const plain = Object.entries(pages).filter(([, page]) => page.kind === 'setting')
  const tables = Object.entries(pages).filter(([, page]) => page.kind !== 'setting')
  return `${GENERATED}
# Settings

All of Postern is set in one file in [TOML](https://toml.io), \`/etc/postern/postern.toml\` unless \`--config\` names another. Only
\`hostname\` must be there; everything else has an initial value that is right for a single host. \`postern check\` reports every
problem at once with line and column, and \`postern reload\` takes a changed file over without dropping a connection or a message
(\`paths\` need a restart). Editors that know JSON Schema complete and check the file with
[postern.schema.json](postern.schema.json) (\`#:schema ./postern.schema.json\` in its first line).

Durations are written \`"30s"\`, \`"10m"\`, \`"4h"\`, \`"7d"\` or \`"2w"\`, sizes \`"64KB"\`, \`"50MB"\` or \`"1GB"\` (counted in 1,024s). A relative
path starts at the directory of the file. Domains may be written in their own script: \`"bücher.example"\`.

${table(plain)}
${tables.map(([name, page]) => part(name, page)).join('\n')}`
}

function part(name: string, page: Page): string {
  switch (page.kind) {
    case 'section':
      return `## \`[${name}]\`\n\n${page.meaning}\n\n${table(Object.entries(page.pages))}`
    case 'named':
      return namedPart(name, page)
    case 'setting':
      return ''
  }
}

function namedPart(name: string, page: Extract<Page, { readonly kind: 'named' }>): string {
  const inner = page.page
  const head = `${page.meaning} Initially: ${page.initially}.`
  if (inner.kind !== 'section') {
    const words = inner.kind === 'setting' ? `${inner.syntax}. ${inner.meaning}` : ''
    return `## \`[${name}]\`\n\n${head}\n\nEach line is \`${page.placeholder} = …\`: ${words}\n`
  }
  const title = `## \`[${name}.${page.placeholder}]\``
  return `${title}\n\n${head}\n\n${inner.meaning}\n\n${table(Object.entries(inner.pages))}`
}

function table(rows: readonly (readonly [string, Page])[]): string {
  const lines = rows.flatMap(([name, page]) =>
    page.kind === 'setting'
      ? [`| \`${name}\` | ${initialOf(page)} | ${cell(page.meaning)} | ${cell(page.syntax)} |`]
      : [],
  )
  return ['| Setting | Initially | Meaning | Syntax |', '|---|---|---|---|', ...lines, ''].join(
    '\n',
  )
}

function initialOf({ initial, required }: Setting): string {
  if (initial === undefined) return required ? '*must be given*' : '–'
  return `\`${JSON.stringify(initial).replaceAll('","', '", "')}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

export function limitsPage(pages: Pages): string {
  const { limits } = pages
  const protocol = Object.entries(LIMITS).map(([name, limit]) => {
    const least = 'least' in limit ? `${limit.least} (${limit.standard})` : '–'
    return `| ${wordsOf(name)} | ${limit.value} ${limit.unit} | ${least} | ${cell(limit.why)} |`
  })
  return `${GENERATED}
# Limits

There is a limit on everything that others can make grow. These are settings, in the section \`[limits]\` of
\`postern.toml\`:

${limits?.kind === 'section' ? table(Object.entries(limits.pages)) : ''}
These belong to the protocol, and an administrator has no reason to change them (\`src/policy/limits.ts\`):

| Limit | Value | A standard demands at least | Why |
|---|---|---|---|
${protocol.join('\n')}
`
}

/** `localPart` is "local part". */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

export function schemaOf(page: Page): string {
  const head = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'postern.toml',
    ...schema(page),
  }
  return `${JSON.stringify(head, null, 2)}\n`
}

function schema(page: Page): JsonSchema {
  switch (page.kind) {
    case 'setting': {
      const initial = page.initial === undefined ? {} : { default: page.initial }
      return { description: `${page.meaning} Syntax: ${page.syntax}.`, ...page.schema, ...initial }
    }
    case 'section': {
      const entries = Object.entries(page.pages)
      const required = entries.filter(([, row]) => row.kind === 'setting' && row.required)
      return {
        type: 'object',
        description: page.meaning,
        properties: Object.fromEntries(entries.map(([name, row]) => [name, schema(row)])),
        ...(required.length > 0 ? { required: required.map(([name]) => name) } : {}),
        additionalProperties: false,
      }
    }
    case 'named':
      return {
        type: 'object',
        description: page.meaning,
        additionalProperties: schema(page.page),
      }
  }
}
