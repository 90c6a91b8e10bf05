const base = 1000
const highest = 60_000

/** Milliseconds before the next try: doubling up to a minute, and anywhere in the upper half, so that processes spread. */
export function backoff(failures: number, random: () => number): number {
  const ceiling = Math.min(highest, base * 2 ** Math.min(failures - 1, 10))
  return Math.round(ceiling * (0.5 + random() / 2))
}
