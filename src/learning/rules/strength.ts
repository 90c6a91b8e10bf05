/** What is known of a model without having tried it. */
export interface Known {
  /** Name at the vendor. */
  readonly model: string
  /** US dollars per token, input and output added; undefined: no price is known. */
  readonly price: number | undefined
  /** Stated by the operator, 0..1. */
  readonly quality: number | undefined
}

/** Even the smallest model is good for small talk. */
const least = 0.2

const small = /(^|[-_./ ])(mini|nano|lite|haiku|flash|small|instant|tiny|light|micro|[1-9]b|1[0-4]b)([-_./ ]|$)/i
const large = /(^|[-_./ ])(opus|pro|large|ultra|max|405b|70b|72b|o[1-9]|reasoner|thinking)([-_./ ]|$)/i

/**
 * How strong each model of a pool probably is, 0.2..1: what the operator says, else where its price stands among the
 * others (on a logarithmic scale), nudged by what names give away. A guess: prices follow quality loosely.
 */
export function guessStrengths(models: readonly Known[]): number[] {
  const prices = models.map(({ price }) => (price === undefined ? undefined : Math.log10(price + 1e-9)))
  const known = prices.filter(price => price !== undefined)
  const low = Math.min(...known)
  const high = Math.max(...known)
  return models.map(({ model, quality }, index) => {
    if (quality !== undefined) return Math.min(1, Math.max(least, quality))
    const price = prices[index]
    const place = price === undefined || high - low < 0.05 ? 0.5 : (price - low) / (high - low)
    const nudge = small.test(model) ? -0.1 : large.test(model) ? 0.1 : 0
    return Math.min(1, Math.max(least, 0.2 + 0.75 * place + nudge))
  })
}

/** Quality to expect of a model of this strength with a prompt of this difficulty: the curve of one item and one ability. */
export function guessQuality(strength: number, difficulty: number): number {
  return 1 / (1 + Math.exp(-10 * (strength - difficulty) - 2.5))
}
