/**
 * Prices of one model, every rate in **pico-dollars** (10⁻¹² US$) per unit: the smallest published token prices are
 * fractions of a nano-dollar, so rates need three digits more than the amounts billed.
 * Undefined means the price map states none; the price engine then falls back as LiteLLM does (see accounting/cost).
 */
export interface ModelPrice {
  readonly input: number | undefined
  readonly output: number | undefined
  readonly cacheRead?: number
  readonly cacheWrite?: number
  readonly cacheWrite1h?: number
  readonly reasoning?: number
  readonly inputAudio?: number
  readonly outputAudio?: number
  readonly inputImage?: number
  readonly outputImage?: number
  /** Per call. */
  readonly request?: number
  readonly webSearch?: number
  /** Rates that replace the base ones for the whole call above a prompt length; ascending by `above`. */
  readonly longContext?: readonly (Partial<PriceRates> & { readonly above: number })[]
  /** `tiered_pricing`: the whole call is billed at the tier its prompt length falls in. */
  readonly tiers?: readonly (Partial<PriceRates> & { readonly from: number; readonly to: number })[]
  /** Rates by service tier (`flex`, `priority`); fields left out fall back to the base rate. */
  readonly serviceTiers?: Readonly<Record<string, Partial<PriceRates>>>
}

export interface PriceRates {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWrite1h: number
  readonly reasoning: number
}
