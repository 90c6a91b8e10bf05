import type { ModelPrice, PriceBand, PriceRates, WebSearchPrice } from './model-price.ts'
import { type OffPeakFields, offPeakPrice } from './price-book-off-peak.ts'

/** One entry of the price map: LiteLLM's field names, prices in US$ per unit. */
export type PriceEntry = Readonly<Record<string, unknown>>

type Stated = { -readonly [K in keyof PriceRates]?: number }
/** Rates by prompt length; -1 holds the base rates. */
type StatedBands = Map<number, Stated>

const rateOfField: Readonly<Record<string, keyof PriceRates>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  output_cost_per_reasoning_token: 'reasoning',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1h',
  input_cost_per_audio_token: 'inputAudio',
  output_cost_per_audio_token: 'outputAudio',
  input_cost_per_image_token: 'inputImage',
  output_cost_per_image_token: 'outputImage',
}

/** `<field>[_above_1hr][_above_<N>k_tokens][_<service tier>]` */
const fieldPattern =
  /^((?:input|output)_cost_per_(?:audio_|image_|reasoning_)?token|cache_(?:read|creation)_input_token_cost(?:_above_1hr)?)(?:_above_(\d+)k_tokens)?(?:_([a-z]+))?$/

/** Words of the price map → the words vendors use for `service_tier`. */
const tierNames: Readonly<Record<string, string>> = { batches: 'batch' }
const base = -1
const standard = ''
const tokenModes = new Set<unknown>([undefined, 'chat', 'completion', 'responses', 'embedding'])

/** A price in US$ per unit; YAML 1.1 writers leave `1e-6` as a string. Undefined when it is not a price. */
export function picoOf(value: unknown): number | undefined {
  const dollars = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof dollars !== 'number' || !(dollars >= 0) || dollars === Number.POSITIVE_INFINITY) return undefined
  return Math.round(dollars * 1e12)
}

/** The price an entry states, or undefined when it states none. Zero that is stated is a price: the model is free. */
export function priceOf(entry: PriceEntry): ModelPrice | undefined {
  const tiers = statedRates(entry)
  const flat = tiers.get(standard) ?? new Map<number, Stated>()
  const tiered = tieredBands(entry['tiered_pricing'])
  const standardBands = tiered ?? flat
  const second = tokenModes.has(entry['mode']) ? perSecond(entry) : undefined
  const request = picoOf(entry['input_cost_per_request'])
  const first = standardBands.get(base)
  if (first?.input === undefined && first?.output === undefined && second === undefined && request === undefined) {
    return undefined
  }
  const zero = freeTokens(entry, first, second ?? request)
  const bands = compiled(standardBands, zero)
  const serviceTiers = compiledTiers(entry, tiers, standardBands, bands, zero)
  const offPeak = offPeakPrice(entry['off_peak_pricing'], fields => overlaid(standardBands, fields, zero))
  const webSearch = webSearchPrice(entry)
  return {
    ...baseRates(bands),
    bands,
    ...(serviceTiers.size > 0 && { serviceTiers }),
    ...(offPeak !== undefined && { offPeak }),
    ...(request !== undefined && { request }),
    ...(second !== undefined && { second }),
    ...(webSearch !== undefined && { webSearch }),
  }
}

/** The same price with every token rate multiplied (data residency and regional endpoints). */
export function scaledPrice(price: ModelPrice, factor: number): ModelPrice {
  const bands = scaled(price.bands, factor)
  return {
    ...price,
    ...baseRates(bands),
    bands,
    ...(price.offPeak && { offPeak: { ...price.offPeak, bands: scaled(price.offPeak.bands, factor) } }),
    ...(price.serviceTiers && {
      serviceTiers: new Map([...price.serviceTiers].map(([name, tier]) => [name, scaled(tier, factor)])),
    }),
  }
}

function baseRates(bands: readonly PriceBand[]): Pick<ModelPrice, 'input' | 'output'> {
  const { input = Number.NaN, output = Number.NaN } = bands[0]?.rates ?? {}
  return { input: Number.isNaN(input) ? undefined : input, output: Number.isNaN(output) ? undefined : output }
}

function scaled(bands: readonly PriceBand[], factor: number): PriceBand[] {
  return bands.map(band => {
    const rates = Object.entries(band.rates).map(([name, rate]) => [name, Math.round(rate * factor)])
    return { above: band.above, rates: Object.fromEntries(rates) as unknown as PriceRates }
  })
}

/** Reads every flat token price of an entry: service tier → prompt length → rates. */
function statedRates(entry: PriceEntry): Map<string, StatedBands> {
  const tiers = new Map<string, StatedBands>()
  // xAI bills the long-context rate from the threshold on; everyone else above it.
  const inclusive = entry['litellm_provider'] === 'xai' ? 1 : 0
  for (const [field, value] of Object.entries(entry)) {
    const match = fieldPattern.exec(field)
    const rate = match?.[1] === undefined ? undefined : rateOfField[match[1]]
    const pico = rate === undefined ? undefined : picoOf(value)
    if (match === null || rate === undefined || pico === undefined) continue
    const tier = match[3] === undefined ? standard : (tierNames[match[3]] ?? match[3])
    const above = match[2] === undefined ? base : Number(match[2]) * 1000 - inclusive
    statedAt(tiers, tier, above)[rate] = pico
  }
  const cacheHit = picoOf(entry['input_cost_per_token_cache_hit'])
  if (cacheHit !== undefined) statedAt(tiers, standard, base).cacheRead ??= cacheHit
  for (const bands of tiers.values()) for (const stated of bands.values()) dropRedundant(stated)
  return tiers
}

function statedAt(tiers: Map<string, StatedBands>, tier: string, above: number): Stated {
  const bands: StatedBands = tiers.get(tier) ?? new Map()
  const stated = bands.get(above) ?? {}
  tiers.set(tier, bands.set(above, stated))
  return stated
}

/**
 * A part priced like its whole follows the whole into other tiers: Gemini 2.5 Flash states its reasoning rate for the
 * standard tier only, equal to the output rate, and a flex call must not pay it.
 */
function dropRedundant(stated: Stated): void {
  if (stated.reasoning === stated.output) delete stated.reasoning
  if (stated.outputAudio === stated.output) delete stated.outputAudio
  if (stated.outputImage === stated.output) delete stated.outputImage
  if (stated.inputAudio === stated.input) delete stated.inputAudio
  if (stated.inputImage === stated.input) delete stated.inputImage
}

/**
 * `tiered_pricing`: price lists by prompt length, independent of the flat fields. Each list is complete, so what it
 * leaves out falls back to its own input and output rates, not to those of the first list.
 */
function tieredBands(value: unknown): StatedBands | undefined {
  if (!Array.isArray(value)) return undefined
  const bands: StatedBands = new Map()
  for (const tier of value) {
    if (typeof tier !== 'object' || tier === null) continue
    const from = Array.isArray(tier.range) ? Number(tier.range[0]) : Number.NaN
    const stated = statedRates(tier).get(standard)?.get(base)
    if (!Number.isFinite(from) || stated === undefined) continue
    const complete = Object.entries(resolved(stated)).filter(([, rate]) => !Number.isNaN(rate))
    bands.set(from > 0 ? from : base, Object.fromEntries(complete))
  }
  return bands.has(base) ? bands : undefined
}

/** Rates that count as zero rather than unknown: the output of embeddings, tokens of a model billed by time or call. */
function freeTokens(entry: PriceEntry, first: Stated | undefined, otherPrice: number | undefined): Stated {
  const embedding = entry['mode'] === 'embedding'
  const byOther = otherPrice !== undefined && first?.input === undefined && first?.output === undefined
  return { ...((embedding || byOther) && { output: 0 }), ...(byOther && { input: 0 }) }
}

/** Long-context bands state only what changes. */
function compiled(stated: StatedBands, zero: Stated): PriceBand[] {
  const first = stated.get(base) ?? {}
  const bands = new Map(stated).set(base, first)
  return [...bands]
    .sort(([a], [b]) => a - b)
    .map(([above, rates]) => ({ above, rates: resolved({ ...zero, ...first, ...rates }) }))
}

function overlaid(stated: StatedBands, fields: OffPeakFields, zero: Stated): PriceBand[] {
  const rates = statedRates(fields).get(standard)?.get(base) ?? {}
  return compiled(new Map([...stated].map(([above, own]) => [above, { ...own, ...rates }])), zero)
}

function resolved(stated: Stated): PriceRates {
  const input = stated.input ?? Number.NaN
  const output = stated.output ?? Number.NaN
  const cacheWrite = stated.cacheWrite ?? input
  return {
    input,
    output,
    cacheRead: stated.cacheRead ?? input,
    cacheWrite,
    cacheWrite1h: stated.cacheWrite1h ?? cacheWrite,
    reasoning: stated.reasoning ?? output,
    inputAudio: stated.inputAudio ?? input,
    outputAudio: stated.outputAudio ?? output,
    inputImage: stated.inputImage ?? input,
    outputImage: stated.outputImage ?? output,
  }
}

function compiledTiers(
  entry: PriceEntry,
  tiers: ReadonlyMap<string, StatedBands>,
  flat: StatedBands,
  standardBands: readonly PriceBand[],
  zero: Stated,
): Map<string, readonly PriceBand[]> {
  const compiledByName = new Map<string, readonly PriceBand[]>()
  for (const [name, stated] of tiers) {
    if (name !== standard) compiledByName.set(name, tierBands(flat, stated, zero))
  }
  const fast = multiplier(entry['provider_specific_entry'], 'fast')
  if (fast !== undefined) compiledByName.set('fast', scaled(standardBands, fast))
  return compiledByName
}

/**
 * A tier that states no long-context rate is billed at the higher of the two that are stated (standard long-context,
 * tier base): vendors differ in which they mean, and a cost must not come out too low.
 */
function tierBands(flat: StatedBands, tier: StatedBands, zero: Stated): PriceBand[] {
  const own: Stated = { ...flat.get(base), ...tier.get(base) }
  const bands: StatedBands = new Map([[base, own]])
  for (const above of new Set([...flat.keys(), ...tier.keys()])) {
    if (above === base) continue
    const rates: Stated = { ...own }
    for (const [name, rate] of Object.entries(flat.get(above) ?? {}) as [keyof PriceRates, number][]) {
      rates[name] = Math.max(rate, own[name] ?? 0)
    }
    bands.set(above, { ...rates, ...tier.get(above) })
  }
  return compiled(bands, zero)
}

function perSecond(entry: PriceEntry): number | undefined {
  const input = picoOf(entry['input_cost_per_second'])
  const output = picoOf(entry['output_cost_per_second'])
  return input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0)
}

function webSearchPrice(entry: PriceEntry): WebSearchPrice | undefined {
  const bySize = entry['search_context_cost_per_query']
  if (typeof bySize !== 'object' || bySize === null) return undefined
  const sizes = bySize as Record<string, unknown>
  const low = picoOf(sizes['search_context_size_low'])
  const medium = picoOf(sizes['search_context_size_medium'])
  const high = picoOf(sizes['search_context_size_high'])
  const some = medium ?? low ?? high
  if (some === undefined) return undefined
  const vendor = String(entry['litellm_provider'] ?? '')
  // Grounding with Google Search was sold per grounded prompt before Gemini 3; those entries state no unit.
  const google = vendor === 'gemini' || vendor.startsWith('vertex_ai-language')
  const unit = entry['web_search_billing_unit'] ?? (google ? 'per_prompt' : 'per_query')
  return { low: low ?? some, medium: some, high: high ?? some, perCall: unit === 'per_prompt' }
}

/** A factor of an object field such as `provider_specific_entry: {us: 1.1, fast: 2}`. */
export function multiplier(factors: unknown, name: string): number | undefined {
  if (typeof factors !== 'object' || factors === null) return undefined
  const factor = (factors as Record<string, unknown>)[name]
  return typeof factor === 'number' && factor > 0 && Number.isFinite(factor) ? factor : undefined
}
