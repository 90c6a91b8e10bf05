import type { Candidate } from '../types.ts'

/**
 * A new array, lowest score first, ties in random order: shuffled, then sorted stably. Scores are computed once each.
 * Insertion sort up to a size where it beats the built-in sort's set-up cost.
 */
export function rankBy(
  candidates: readonly Candidate[],
  random: () => number,
  score: (candidate: Candidate) => number,
): Candidate[] {
  const ranked = shuffled(candidates, random)
  const count = ranked.length
  if (count > 32) {
    const scores = new Map(ranked.map(candidate => [candidate, score(candidate)]))
    return ranked.sort((a, b) => compare(scores.get(a) ?? 0, scores.get(b) ?? 0))
  }
  const scores: number[] = []
  for (let i = 0; i < count; i++) {
    const candidate = ranked[i] as Candidate
    const own = score(candidate)
    let j = i
    while (j > 0 && (scores[j - 1] as number) > own) {
      scores[j] = scores[j - 1] as number
      ranked[j] = ranked[j - 1] as Candidate
      j--
    }
    scores[j] = own
    ranked[j] = candidate
  }
  return ranked
}

/** A new array in random order (Fisher and Yates). */
export function shuffled(candidates: readonly Candidate[], random: () => number): Candidate[] {
  const order = candidates.slice()
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swapped = order[i] as Candidate
    order[i] = order[j] as Candidate
    order[j] = swapped
  }
  return order
}

/** Infinity − Infinity is NaN, which a sort takes for anything: compare without subtracting. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** How many of the first ranked satisfy the test, at least one. */
export function leading(ranked: readonly Candidate[], test: (candidate: Candidate) => boolean): number {
  let count = 1
  while (count < ranked.length && test(ranked[count] as Candidate)) count++
  return count
}
