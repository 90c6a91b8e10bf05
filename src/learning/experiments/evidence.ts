/**
 * Evidence that may be looked at after every call. A test with a fixed end finds a difference sooner or later when it is
 * looked at often enough; an e-value does not: whenever one looks, the chance to see 1/α or more without a difference is α
 * at most (Ville 1939; universal inference, Wasserman et al. 2020).
 *
 * E = (likelihood of both arms, averaged over all pairs of rates) / (largest likelihood that the null hypothesis allows).
 * The average is the Beta-binomial's; the largest is found by search. Exact for yes and no, safe for all rewards in 0..1
 * (their Bernoulli likelihood is convex, so its expectation is at most that of yes and no), and it needs nothing but two
 * sums per arm: replicas add theirs up.
 */
export interface Tally {
  readonly n: number
  /** Sum of values in 0..1. */
  readonly sum: number
}

/**
 * Natural logarithm of the evidence against «the candidate's rate is at most the control's plus `margin`».
 * Compare with ln(1/α).
 */
export function logEvidenceOfMore(control: Tally, candidate: Tally, margin = 0): number {
  if (control.n === 0 || candidate.n === 0) return 0
  const free = logMixture(control) + logMixture(candidate)
  return free - bestUnder(control, candidate, margin)
}

/** Against «the candidate's rate is at least the control's minus `margin`»: for what should be high. */
export function logEvidenceOfLess(control: Tally, candidate: Tally, margin = 0): number {
  return logEvidenceOfMore(flipped(control), flipped(candidate), margin)
}

/** Against «both rates are the same», either way. */
export function logEvidenceOfDifference(a: Tally, b: Tally): number {
  if (a.n === 0 || b.n === 0) return 0
  const n = a.n + b.n
  const sum = a.sum + b.sum
  return logMixture(a) + logMixture(b) - logLikelihood({ n, sum }, sum / n)
}

const flipped = ({ n, sum }: Tally): Tally => ({ n, sum: n - sum })

/** ln ∫ p^s (1−p)^(n−s) dBeta(½,½): Jeffreys' prior, the best rate of learning at the edges, where error rates live. */
function logMixture({ n, sum }: Tally): number {
  return logBeta(sum + 0.5, n - sum + 0.5) - logBeta(0.5, 0.5)
}

function logLikelihood({ n, sum }: Tally, p: number): number {
  const first = sum <= 0 ? 0 : sum * Math.log(Math.max(p, Number.MIN_VALUE))
  const second = n - sum <= 0 ? 0 : (n - sum) * Math.log(Math.max(1 - p, Number.MIN_VALUE))
  return first + second
}

/** The largest likelihood of both arms where candidate ≤ control + margin. */
function bestUnder(control: Tally, candidate: Tally, margin: number): number {
  const a = control.sum / control.n
  const b = candidate.sum / candidate.n
  if (b <= a + margin) return logLikelihood(control, a) + logLikelihood(candidate, b)
  // Both likelihoods are concave: the best lies on the border, and there is one.
  let low = 0
  let high = Math.max(0, 1 - margin)
  const value = (p: number): number =>
    logLikelihood(control, p) + logLikelihood(candidate, Math.min(1, Math.max(0, p + margin)))
  for (let step = 0; step < 80; step++) {
    const left = low + (high - low) / 3
    const right = high - (high - low) / 3
    if (value(left) < value(right)) low = left
    else high = right
  }
  return value((low + high) / 2)
}

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b)

/** Lanczos, g = 7, nine terms: 15 digits. */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  const shifted = x - 1
  const t = shifted + 7.5
  let sum = lanczos[0] ?? 0
  for (let index = 1; index < lanczos.length; index++) sum += (lanczos[index] ?? 0) / (shifted + index)
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum)
}
