/**
 * Population stability index of two histograms: 0 the same, above 0.1 to be looked at, above 0.25 another population
 * (Siddiqi 2006). Chance alone makes about (cells − 1)·(1/n + 1/N) of it, which is subtracted: with 64 clusters and a
 * window of a thousand that is 0.08.
 */
export function stabilityIndex(expected: readonly number[], actual: readonly number[]): number {
  const before = total(expected)
  const now = total(actual)
  const cells = Math.max(expected.length, actual.length)
  if (before === 0 || now === 0 || cells === 0) return 0
  let index = 0
  for (let cell = 0; cell < cells; cell++) {
    // Half a call in every cell: an empty one is no proof of nothing.
    const p = ((expected[cell] ?? 0) + 0.5) / (before + 0.5 * cells)
    const q = ((actual[cell] ?? 0) + 0.5) / (now + 0.5 * cells)
    index += (q - p) * Math.log(q / p)
  }
  return Math.max(0, index - (cells - 1) * (1 / before + 1 / now))
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)
