import type { NanoDollars } from '../../platform/money.ts'
import type { ModelPrice, PriceBand, PriceRates } from '../../providers/model-price.ts'
import { isOffPeak } from '../../providers/price-book-off-peak.ts'
import type { TokenUsage } from '../../translate/token-usage.ts'

export type CostKind =
  | 'input'
  | 'cache_read'
  | 'cache_write'
  | 'cache_write_1h'
  | 'input_audio'
  | 'input_image'
  | 'output'
  | 'reasoning'
  | 'output_audio'
  | 'output_image'
  | 'web_search'
  | 'request'
  | 'time'

export interface CostLine {
  readonly kind: CostKind
  readonly unit: 'token' | 'search' | 'call' | 'second'
  readonly quantity: number
  /** Pico-dollars per unit. */
  readonly ratePico: number
  /** Rounded half up. */
  readonly nano: NanoDollars
}

export interface Cost {
  /** 0 when not priced: look at `priced` before believing it. */
  readonly total: NanoDollars
  readonly lines: readonly CostLine[]
  readonly priced: boolean
}

export interface CostOptions {
  /** The tier that served the call, as the vendor reports it: `flex`, `priority`, `batch`, `default`, … */
  readonly serviceTier?: string | undefined
  /** Response time; billed only where a price per second is set. */
  readonly seconds?: number | undefined
  /** Wall-clock milliseconds since 1970 at which the call was made; needed by off-peak prices only. */
  readonly epoch?: number | undefined
  readonly searchContextSize?: string | undefined
}

/** Returned by `costNano` when the price, or a rate the call needs, is not known. */
export const unpriced = -1

/** What a call cost, line by line: for explaining. The hot path uses `costNano`, which is the same sum. */
export function costOf(usage: TokenUsage, price: ModelPrice | undefined, options: CostOptions = {}): Cost {
  const lines: CostLine[] = []
  const { serviceTier, seconds = 0, epoch, searchContextSize } = options
  const total =
    price === undefined ? unpriced : bill(usage, price, serviceTier, seconds, epoch, searchContextSize, lines)
  return total === unpriced ? { total: 0, lines: [], priced: false } : { total, lines, priced: true }
}

/** What a call cost in nano-dollars, or `unpriced` (−1). Allocates nothing. Parameters as in `CostOptions`. */
export function costNano(
  usage: TokenUsage,
  price: ModelPrice | undefined,
  serviceTier?: string,
  seconds = 0,
  epoch?: number,
  searchContextSize?: string,
): NanoDollars {
  return price === undefined ? unpriced : bill(usage, price, serviceTier, seconds, epoch, searchContextSize, undefined)
}

/**
 * The most a call can cost, for reserving a budget before it is made: every prompt token at the dearest input rate
 * of the tier, every completion token at the dearest output rate. −1 when the price is not known.
 */
export function costUpperBound(
  inputTokens: number,
  outputTokens: number,
  price: ModelPrice | undefined,
  serviceTier?: string,
): NanoDollars {
  if (price === undefined) return unpriced
  const r = ratesFor(price, serviceTier, inputTokens, undefined)
  const input = Math.max(r.input, r.cacheRead, r.cacheWrite, r.cacheWrite1h, r.inputAudio, r.inputImage)
  const output = Math.max(r.output, r.reasoning, r.outputAudio, r.outputImage)
  const pico = spent(inputTokens, input) + spent(outputTokens, output) + (price.request ?? 0)
  return Number.isNaN(pico) ? unpriced : Math.ceil(pico / 1000)
}

/** Zero tokens cost nothing even where their rate is not known. */
const spent = (quantity: number, ratePico: number): number => (quantity > 0 ? quantity * ratePico : 0)

/**
 * The parts of the prompt and of the completion are taken off their totals one after the other, each clamped to what is
 * left, and the remainder is text: whatever a vendor counts twice is still billed once.
 */
function bill(
  usage: TokenUsage,
  price: ModelPrice,
  serviceTier: string | undefined,
  seconds: number,
  epoch: number | undefined,
  searchSize: string | undefined,
  lines: CostLine[] | undefined,
): NanoDollars {
  const rates = ratesFor(price, serviceTier, usage.input, epoch)

  let left = usage.input
  const cacheRead = Math.min(usage.cacheRead, left)
  left -= cacheRead
  const cacheWrite = Math.min(usage.cacheWrite, left)
  left -= cacheWrite
  const cacheWrite1h = Math.min(usage.cacheWrite1h, left)
  left -= cacheWrite1h
  const inputAudio = Math.min(usage.inputAudio, left)
  left -= inputAudio
  const inputImage = Math.min(usage.inputImage, left)
  left -= inputImage

  let written = usage.output
  const reasoning = Math.min(usage.reasoning, written)
  written -= reasoning
  const outputAudio = Math.min(usage.outputAudio, written)
  written -= outputAudio
  const outputImage = Math.min(usage.outputImage, written)
  written -= outputImage

  let total = line(lines, 'input', 'token', left, rates.input)
  total += line(lines, 'cache_read', 'token', cacheRead, rates.cacheRead)
  total += line(lines, 'cache_write', 'token', cacheWrite, rates.cacheWrite)
  total += line(lines, 'cache_write_1h', 'token', cacheWrite1h, rates.cacheWrite1h)
  total += line(lines, 'input_audio', 'token', inputAudio, rates.inputAudio)
  total += line(lines, 'input_image', 'token', inputImage, rates.inputImage)
  total += line(lines, 'output', 'token', written, rates.output)
  total += line(lines, 'reasoning', 'token', reasoning, rates.reasoning)
  total += line(lines, 'output_audio', 'token', outputAudio, rates.outputAudio)
  total += line(lines, 'output_image', 'token', outputImage, rates.outputImage)
  if (price.webSearch !== undefined) {
    const searches = price.webSearch.perCall ? Math.min(usage.webSearches, 1) : usage.webSearches
    const size = searchSize === 'low' || searchSize === 'high' ? searchSize : 'medium'
    total += line(lines, 'web_search', 'search', searches, price.webSearch[size])
  }
  if (price.request !== undefined) total += line(lines, 'request', 'call', 1, price.request)
  if (price.second !== undefined) total += line(lines, 'time', 'second', seconds, price.second)
  return Number.isNaN(total) ? unpriced : total
}

function line(
  lines: CostLine[] | undefined,
  kind: CostKind,
  unit: CostLine['unit'],
  quantity: number,
  ratePico: number,
): NanoDollars {
  if (quantity <= 0) return 0
  // A product below 2⁵³ pico-dollars (nine thousand dollars a line) is exact, and so is its rounding.
  const nano = Math.round((quantity * ratePico) / 1000)
  lines?.push({ kind, unit, quantity, ratePico, nano })
  return nano
}

function ratesFor(
  price: ModelPrice,
  serviceTier: string | undefined,
  promptTokens: number,
  epoch: number | undefined,
): PriceRates {
  const tier = serviceTier === undefined ? undefined : tierBands(price, serviceTier)
  if (tier !== undefined) return bandFor(tier, promptTokens)
  const offPeak = price.offPeak !== undefined && epoch !== undefined && isOffPeak(price.offPeak, epoch)
  return bandFor(offPeak ? price.offPeak.bands : price.bands, promptTokens)
}

/** `fast` is another word for `priority` where a vendor has no price of its own for it. */
function tierBands(price: ModelPrice, serviceTier: string): readonly PriceBand[] | undefined {
  const tiers = price.serviceTiers
  return tiers?.get(serviceTier) ?? (serviceTier === 'fast' ? tiers?.get('priority') : undefined)
}

const noRates: PriceRates = {
  input: Number.NaN,
  output: Number.NaN,
  cacheRead: Number.NaN,
  cacheWrite: Number.NaN,
  cacheWrite1h: Number.NaN,
  reasoning: Number.NaN,
  inputAudio: Number.NaN,
  outputAudio: Number.NaN,
  inputImage: Number.NaN,
  outputImage: Number.NaN,
}

function bandFor(bands: readonly PriceBand[], promptTokens: number): PriceRates {
  let rates = bands[0]?.rates ?? noRates
  for (let i = 1; i < bands.length; i++) {
    const band = bands[i]
    if (band === undefined || promptTokens <= band.above) break
    rates = band.rates
  }
  return rates
}
