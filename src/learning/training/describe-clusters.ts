import type { Prompt } from '../prompt.ts'
import type { Partition } from './k-means.ts'

/** A word is named only if this many prompts of the data set, and this share of them, say it: never what one caller said. */
const fewestPrompts = 20
const leastShare = 0.003
const namedWords = 3
const readCharacters = 2000

/**
 * Size and typical words of each cell, for people: words that are frequent in the whole data set and more frequent in
 * the cell. Rare words (names, addresses, numbers) are never used, whatever they would explain.
 */
export function describeClusters(
  prompts: readonly Prompt[],
  { cells, cellOf }: Partition,
): { size: number; about: string }[] {
  const inCell = Array.from({ length: cells }, () => new Map<string, number>())
  const everywhere = new Map<string, number>()
  const sizes = new Uint32Array(cells)
  for (const [row, prompt] of prompts.entries()) {
    const cell = cellOf[row] as number
    sizes[cell] = (sizes[cell] as number) + 1
    const counts = inCell[cell]
    for (const word of wordsOf(prompt.text)) {
      everywhere.set(word, (everywhere.get(word) ?? 0) + 1)
      counts?.set(word, (counts.get(word) ?? 0) + 1)
    }
  }
  const fewest = Math.max(fewestPrompts, leastShare * prompts.length)
  return inCell.map((counts, cell) => {
    const size = sizes[cell] as number
    const typical = [...counts]
      .filter(([word, count]) => (everywhere.get(word) ?? 0) >= fewest && count >= Math.max(5, 0.1 * size))
      .map(([word, count]) => ({ word, score: excess(count / size, (everywhere.get(word) ?? 1) / prompts.length) }))
      .sort((a, b) => b.score - a.score || (a.word < b.word ? -1 : 1))
    return {
      size,
      about: typical
        .slice(0, namedWords)
        .map(({ word }) => word)
        .join(', '),
    }
  })
}

/** Share in the cell × information it gives (a term of the Kullback–Leibler divergence). */
const excess = (here: number, everywhere: number): number => here * Math.log(here / everywhere)

function wordsOf(text: string): Set<string> {
  const read = text.length > readCharacters ? text.slice(-readCharacters) : text
  return new Set(read.toLowerCase().match(/\p{L}{3,20}/gu) ?? [])
}
