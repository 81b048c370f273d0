/**
 * What documents refer to must be there: every relative link leads to a file, and every path of ours in
 * backticks, `src/policy/retry.ts`, exists.
 *
 * Placeholders may stand in a path: `*` and words in capitals (`src/programs/NAME/`) match anything.
 */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const PAGES = ['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'src/**/README.md']
const LINK = /\]\(([^)\s]+)\)/g
const PATH_IN_BACKTICKS = /`((?:src|test|scripts|docs|bench)\/[\w./*{},-]*)`/g

/** One line for each reference that leads nowhere. */
export function brokenReferences(root: string): readonly string[] {
  return globSync(PAGES, { cwd: root })
    .sort()
    .flatMap((page) => {
      const text = withoutCodeBlocks(readFileSync(join(root, page), 'utf8'))
      return [...brokenLinks(root, page, text), ...missingPaths(root, page, text)]
    })
}

function brokenLinks(root: string, page: string, text: string): readonly string[] {
  return [...text.matchAll(LINK)]
    .map(([, target = '']) => target)
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .filter((target) => !existsSync(join(root, dirname(page), target.replace(/#.*$/, ''))))
    .map((target) => `${page}: the link to ${target} leads nowhere`)
}

function missingPaths(root: string, page: string, text: string): readonly string[] {
  return [...text.matchAll(PATH_IN_BACKTICKS)]
    .map(([, path = '']) => path)
    .filter((path) => globSync(withWildcards(path), { cwd: root }).length === 0)
    .map((path) => `${page}: there is no ${path}`)
}

function withWildcards(path: string): string {
  return path.replaceAll(/(?<=^|\/)[A-Z]+(?=\/|$)/g, '*').replace(/\/$/, '')
}

function withoutCodeBlocks(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '')
}
