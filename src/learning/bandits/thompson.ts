/** One model that may be chosen, as far as chance is concerned. */
export interface Arm {
  /** Posterior mean of quality, 0..1. */
  readonly mean: number
  readonly variance: number
  /** What its utility loses to cost and latency. */
  readonly penalty: number
}

export interface ExplorationSettings {
  /** Share of calls that are decided by chance, 0..1. */
  readonly share: number
  /** Models whose expected utility is further below the best than this are never tried. */
  readonly maxRegret: number
}

export interface ExploredChoice {
  readonly index: number
  /** By chance, and another than the best. */
  readonly explored: boolean
  /** Of the chosen one, exact. */
  readonly propensity: number
}

/** Draws of one decision. 64 × 9 models take about 4 µs with the table below; 64 draws of nine Betas would take 150. */
const draws = 64

/** Standard normal numbers, made once: a decision starts anywhere in them. */
const normals = makeNormals(4096)

/**
 * Thompson sampling in a safe set: in a share of calls the model is drawn with the probability that it is the best by
 * what is known. The Beta of a cell stands on 20 or more, so a normal distribution of its mean and variance is as good.
 * The probabilities are those of these 64 draws, and the model is drawn from them: its propensity is exact.
 */
export function explore(
  arms: readonly Arm[],
  { share, maxRegret }: ExplorationSettings,
  random: () => number,
): ExploredChoice {
  const best = bestOf(arms)
  const top = utility(arms[best])
  if (share <= 0 || arms.length < 2) return { index: best, explored: false, propensity: 1 }
  const safe: number[] = []
  for (let index = 0; index < arms.length; index++) if (top - utility(arms[index]) <= maxRegret) safe.push(index)
  if (safe.length < 2) return { index: best, explored: false, propensity: 1 }
  const counts = new Uint16Array(arms.length)
  let position = Math.floor(random() * normals.length)
  for (let draw = 0; draw < draws; draw++) {
    let winner = best
    let winning = Number.NEGATIVE_INFINITY
    for (const index of safe) {
      position = (position + 1) % normals.length
      const value = drawn(arms[index], normals[position] ?? 0)
      if (value > winning) {
        winning = value
        winner = index
      }
    }
    counts[winner] = (counts[winner] ?? 0) + 1
  }
  const epsilon = Math.min(1, share)
  let chosen = best
  if (random() < epsilon) {
    let left = random() * draws
    for (const index of safe) {
      left -= counts[index] ?? 0
      if (left < 0) {
        chosen = index
        break
      }
    }
  }
  const propensity = epsilon * ((counts[chosen] ?? 0) / draws) + (chosen === best ? 1 - epsilon : 0)
  return { index: chosen, explored: chosen !== best, propensity }
}

const utility = (arm: Arm | undefined): number =>
  arm === undefined ? Number.NEGATIVE_INFINITY : arm.mean - arm.penalty

function drawn(arm: Arm | undefined, normal: number): number {
  if (arm === undefined) return Number.NEGATIVE_INFINITY
  return Math.min(1, Math.max(0, arm.mean + Math.sqrt(arm.variance) * normal)) - arm.penalty
}

/** Of equals the cheaper one, then the first. */
function bestOf(arms: readonly Arm[]): number {
  let best = 0
  for (let index = 1; index < arms.length; index++) {
    const difference = utility(arms[index]) - utility(arms[best])
    if (difference > 0 || (difference === 0 && (arms[index]?.penalty ?? 0) < (arms[best]?.penalty ?? 0))) best = index
  }
  return best
}

/** Box and Muller over a low-discrepancy pair: moments of the table are those of the normal distribution. */
function makeNormals(count: number): Float64Array {
  const table = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    // Additive recurrence of the plastic number (Roberts 2018): evenly spread in two dimensions.
    const first = (0.5 + 0.754877666246693 * (index + 1)) % 1
    const second = (0.5 + 0.569840290998053 * (index + 1)) % 1
    table[index] = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second)
  }
  // Shuffled (fixed seed): neighbours in the table must not belong together.
  let seed = 0x9e3779b9
  for (let index = count - 1; index > 0; index--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    const other = Math.floor((seed / 2 ** 32) * (index + 1))
    const kept = table[index] ?? 0
    table[index] = table[other] ?? 0
    table[other] = kept
  }
  return table
}
