/** Seeded random numbers: the same seed gives the same training, to the byte. */
export interface Random {
  /** [0, 1) */
  uniform(): number
  gaussian(): number
  /** A whole number below `bound`. */
  below(bound: number): number
}

/** SplitMix32 (Steele, Lea, Flood 2014, in 32 bits). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  const uniform = (): number => next() / 4_294_967_296
  return {
    uniform,
    // Box–Muller.
    gaussian: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    below: bound => Math.floor(uniform() * bound),
  }
}

/** 0 … length − 1 in random order. */
export function shuffled(length: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index)
  for (let index = length - 1; index > 0; index--) {
    const other = random.below(index + 1)
    const moved = order[index] ?? 0
    order[index] = order[other] ?? 0
    order[other] = moved
  }
  return order
}
