/**
 * "Did you mean …?": the word that was probably meant by one that is not known.
 */

const LONGEST = 60

/** Answers undefined if no word is close: at most a third of its letters may differ. */
export function nearestWord(written: string, words: readonly string[]): string | undefined {
  const given = written.toLowerCase().replaceAll('-', '_')
  if (given.length > LONGEST) return undefined
  let best: { readonly word: string; readonly distance: number } | undefined
  for (const word of words) {
    const distance = distanceBetween(given, word)
    if (distance * 3 <= word.length + 1 && distance < (best?.distance ?? Infinity)) {
      best = { word, distance }
    }
  }
  return best?.word
}

/** Letters to insert, drop or replace to make one of the other. */
function distanceBetween(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [row, letter] of one.split('').entries()) {
    const current = [row + 1]
    for (const [column, wanted] of other.split('').entries()) {
      const replaced = (previous[column] ?? 0) + (letter === wanted ? 0 : 1)
      const dropped = (previous[column + 1] ?? 0) + 1
      current.push(Math.min(replaced, dropped, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
