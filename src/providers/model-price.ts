/**
 * Prices of one model, every rate in **pico-dollars** (10⁻¹² US$) per unit: the smallest published token prices are
 * fractions of a nano-dollar, so rates need three digits more than the amounts billed.
 *
 * Everything that depends only on the price map is settled when this object is built (fallbacks between rates, long
 * context, service tiers), so that billing a call is one choice of rates and a few multiplications.
 */
export interface ModelPrice {
  /** Base rates, for comparing deployments. Undefined means that the price map states none. */
  readonly input: number | undefined
  readonly output: number | undefined
  /** Standard service tier. Never empty; ascending by `above`; the first band is `above: -1`. */
  readonly bands: readonly PriceBand[]
  /** Bands by service tier (`flex`, `priority`, `batch`, `fast`, …) where they differ from the standard ones. */
  readonly serviceTiers?: ReadonlyMap<string, readonly PriceBand[]>
  readonly offPeak?: OffPeakPrice
  /** Per call. */
  readonly request?: number
  /** Per second of response time: rented capacity and self-hosted models. */
  readonly second?: number
  readonly webSearch?: WebSearchPrice
}

/** The whole call is billed at the last band whose `above` its prompt is longer than. */
export interface PriceBand {
  /** Prompt tokens. */
  readonly above: number
  readonly rates: PriceRates
}

/**
 * A rate for every kind of token; a kind without a price of its own has the rate of the kind it is part of.
 * NaN means that not even that one is stated: it turns a cost that would need it into NaN, which is reported as
 * «unpriced», never as zero.
 */
export interface PriceRates {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWrite1h: number
  readonly reasoning: number
  readonly inputAudio: number
  readonly outputAudio: number
  readonly inputImage: number
  readonly outputImage: number
}

/** Per search, by the search context size the caller asked for. */
export interface WebSearchPrice {
  readonly low: number
  readonly medium: number
  readonly high: number
  /** The vendor bills a call that searched once, however many searches it ran. */
  readonly perCall: boolean
}

/** Standard-tier rates at certain hours. */
export interface OffPeakPrice {
  readonly bands: readonly PriceBand[]
  readonly windows: readonly OffPeakWindow[]
  /** Minutes east of UTC of the calendar the weekdays belong to. The hours are UTC. */
  readonly weekdayOffset: number
}

export interface OffPeakWindow {
  /** Minutes of the UTC day; the end is exclusive and may be 1440. */
  readonly from: number
  readonly to: number
  /** Bit 1 is Monday … bit 7 is Sunday. */
  readonly weekdays: number
}

const noCharge: PriceRates = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  reasoning: 0,
  inputAudio: 0,
  outputAudio: 0,
  inputImage: 0,
  outputImage: 0,
}

/** Known to cost nothing, which is not the same as having no known price. */
export const freeOfCharge: ModelPrice = { input: 0, output: 0, bands: [{ above: -1, rates: noCharge }] }
