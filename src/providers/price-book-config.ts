import { factsOf, type ModelFacts } from './price-book-facts.ts'
import { multiplier, type PriceEntry, picoOf, scaledPrice } from './price-book-rates.ts'

type Fields = Readonly<Record<string, unknown>>

const pricePattern = /_cost(?:_|$)|_cost_per_|^(?:tiered_pricing|off_peak_pricing)$/
const capabilityPattern =
  /^(?:supports_\w+|max_(?:input_|output_)?tokens|mode|reasoning_effort_levels|default_reasoning_effort|thinking_always_on|prompt_cache_min_tokens|output_vector_size)$/
const inputSide = /^(?:input_|cache_)/
const outputSide = /^output_/
const bothSides = /^(?:tiered_pricing|off_peak_pricing|provider_specific_entry)$/

/**
 * The facts of one deployment: what its configuration states, laid over what the price map knows.
 *
 * A custom price replaces one side of the price list whole. `input_cost_per_token` takes the map's cache, long-context
 * and service-tier rates of the input with it, because they belong to another price list; cached tokens then cost what
 * the configuration says, or the custom input rate. `litellm_params` beats `model_info`.
 *
 * A data zone in the address (`eu.api.openai.com`), `inference_geo` or `vertex_location` multiplies the map's rates
 * where the vendor charges for it; custom prices are taken as they are.
 */
export function factsFromConfig(params: Fields, info: Fields, base: ModelFacts = unknownModel): ModelFacts {
  const prices = { ...chosen(info, isPrice), ...chosen(params, isPrice) }
  const abilities = { ...chosen(params, isOverridableByParams), ...chosen(info, isCapability) }
  if (Object.keys(prices).length === 0) {
    const regional = regionalFacts(params, base)
    if (Object.keys(abilities).length === 0) return regional
    return { ...factsOf(base.key, { ...base.entry, ...abilities }), price: regional.price }
  }
  const entry = { ...withoutReplaced(basePrices(base), prices), ...prices, ...abilities }
  return factsOf(base.key, entry)
}

const unknownModel = factsOf('custom', {})

/** A base whose price is withheld (a fine-tune found by its base model) lends no rate to the side left out. */
function basePrices(base: ModelFacts): PriceEntry {
  if (base.price !== undefined) return base.entry
  return chosen(base.entry, name => !pricePattern.test(name))
}

function isPrice(name: string, value: unknown): boolean {
  if (!pricePattern.test(name)) return false
  return typeof value === 'object' ? value !== null : picoOf(value) !== undefined
}

function isCapability(name: string, value: unknown): boolean {
  return capabilityPattern.test(name) && value !== null && value !== undefined
}

/** In `litellm_params`, `max_tokens` is a default of the request and not a limit of the model. */
function isOverridableByParams(name: string, value: unknown): boolean {
  return /^(?:supports_\w+|max_input_tokens|max_output_tokens)$/.test(name) && isCapability(name, value)
}

function chosen(fields: Fields, keep: (name: string, value: unknown) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => keep(name, value)))
}

function withoutReplaced(entry: PriceEntry, prices: Fields): PriceEntry {
  const names = Object.keys(prices)
  const whole = names.some(name => bothSides.test(name) || name.endsWith('_cost_per_second'))
  const input = whole || names.some(name => /^input_cost_per_(?:token|second)$/.test(name))
  const output = whole || names.some(name => /^output_cost_per_(?:token|second)$/.test(name))
  if (!input && !output) return entry
  const kept = Object.entries(entry).filter(([name]) => {
    if (bothSides.test(name)) return false
    return !((input && inputSide.test(name)) || (output && outputSide.test(name) && pricePattern.test(name)))
  })
  return Object.fromEntries(kept)
}

function regionalFacts(params: Fields, base: ModelFacts): ModelFacts {
  if (base.price === undefined) return base
  const factor = regionalFactor(params, base.entry)
  return factor === undefined ? base : { ...base, price: scaledPrice(base.price, factor) }
}

function regionalFactor(params: Fields, entry: PriceEntry): number | undefined {
  const zone = /^https:\/\/(eu|us)\.api\.openai\.com(?:[:/]|$)/.exec(String(params['api_base'] ?? ''))?.[1]
  if (zone !== undefined) return multiplier(entry, `regional_processing_uplift_multiplier_${zone}`)
  const geo = params['inference_geo']
  if (typeof geo === 'string') return multiplier(entry['provider_specific_entry'], geo)
  const location = params['vertex_location']
  if (typeof location === 'string' && location !== 'global') {
    return multiplier(entry, 'regional_endpoint_uplift_multiplier')
  }
  return undefined
}
