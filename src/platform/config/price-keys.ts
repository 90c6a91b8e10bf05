import { type Key, type KeyInfo, key } from './section.ts'
import { amount, anything } from './values.ts'

/**
 * Price fields, named as in LiteLLM's public price map. They may stand in `litellm_params` or `model_info` and beat the
 * price map. Rates are US$ per unit.
 */
const usd = (unit: string) => ({ unit: `US$ per ${unit}` })

const base = {
  input_cost_per_token: key(amount, 'Price of a prompt token.', usd('token')),
  output_cost_per_token: key(amount, 'Price of an output token.', usd('token')),
  output_cost_per_reasoning_token: key(amount, 'Price of a reasoning token; output price if absent.', usd('token')),
  input_cost_per_token_cache_hit: key(amount, 'Older name of cache_read_input_token_cost.', usd('token')),
  cache_read_input_token_cost: key(amount, 'Price of a prompt token read from the vendor’s cache.', usd('token')),
  cache_creation_input_token_cost: key(
    amount,
    'Price of a prompt token written to the cache (5 minutes).',
    usd('token'),
  ),
  cache_creation_input_token_cost_above_1hr: key(amount, 'Price of a prompt token cached for one hour.', usd('token')),
  input_cost_per_audio_token: key(amount, 'Price of an audio token in the prompt.', usd('token')),
  output_cost_per_audio_token: key(amount, 'Price of an audio token in the answer.', usd('token')),
  cache_read_input_audio_token_cost: key(amount, 'Price of a cached audio token.', usd('token')),
  cache_creation_input_audio_token_cost: key(amount, 'Price of an audio token written to the cache.', usd('token')),
  cache_read_input_image_token_cost: key(amount, 'Price of a cached image token.', usd('token')),
  input_cost_per_image_token: key(amount, 'Price of an image token in the prompt.', usd('token')),
  output_cost_per_image_token: key(amount, 'Price of an image token in the answer.', usd('token')),
  input_cost_per_request: key(amount, 'Fixed price per call.', usd('call')),
  input_cost_per_second: key(amount, 'Price per second of the call, in place of token prices.', usd('second')),
  output_cost_per_second: key(amount, 'The same on the output side.', usd('second')),
  off_peak_pricing: key(anything, 'Rates by hour of the day: {hours_utc, …rates}.'),
  search_context_cost_per_query: key(
    anything,
    'Web search price by context size: search_context_size_low|medium|high.',
    usd('search'),
  ),
  tiered_pricing: key(
    anything,
    'List of {range: [from, to], …rates}: the whole call is billed at the tier of its prompt length.',
  ),
} satisfies Record<string, Key>

const longContext = ['32k', '128k', '200k', '256k', '272k', '512k'] as const
const scaled = [
  ['input_cost_per_token', 'prompt token'],
  ['output_cost_per_token', 'output token'],
  ['cache_read_input_token_cost', 'cached token'],
  ['cache_creation_input_token_cost', 'token written to the cache'],
] as const

function variants(): Record<string, ReturnType<typeof key<typeof amount>>> {
  const result: Record<string, ReturnType<typeof key<typeof amount>>> = {}
  const add = (name: string, description: string) => {
    result[name] = key(amount, description, usd('token'))
  }
  for (const [name, unit] of scaled) {
    for (const size of longContext) {
      add(`${name}_above_${size}_tokens`, `Price of a ${unit} when the prompt is longer than ${size} tokens.`)
      for (const tier of ['flex', 'priority'])
        add(`${name}_above_${size}_tokens_${tier}`, `The same in service tier “${tier}”.`)
    }
    for (const tier of ['flex', 'priority']) add(`${name}_${tier}`, `Price of a ${unit} in service tier “${tier}”.`)
  }
  add(
    'cache_creation_input_token_cost_above_1hr_above_200k_tokens',
    'Price of a token cached for one hour when the prompt is longer than 200k tokens.',
  )
  return result
}

export const priceKeys = { ...base, ...variants() }

const laterPrice = (description: string): KeyInfo => ({ status: 'later', description })

/** Prices of modes that are not served yet. */
export const laterPriceKeys: Readonly<Record<string, KeyInfo>> = Object.fromEntries(
  [
    ...['input', 'output'].flatMap(side =>
      ['character', 'image', 'pixel', 'video_token', 'video_per_second', 'audio_per_second'].map(
        unit =>
          [
            `${side}_cost_per_${unit}`,
            `${side === 'input' ? 'Input' : 'Output'} price per ${unit.replaceAll('_', ' ')}.`,
          ] as const,
      ),
    ),
    ['input_cost_per_query', 'Rerank price per query.'],
    ['input_cost_per_token_batches', 'Prompt token price in batches.'],
    ['output_cost_per_token_batches', 'Output token price in batches.'],
    ['citation_cost_per_token', 'Price of a citation token.'],
    ['ocr_cost_per_page', 'OCR price per page.'],
    ['annotation_cost_per_page', 'Document annotation price per page.'],
    ['guardrail_cost_per_unit', 'Price of a guardrail call.'],
    ['google_maps_grounding_cost_per_query', 'Price of a maps lookup.'],
    ['file_search_cost_per_1k_calls', 'Price of 1000 file searches.'],
    ['file_search_cost_per_gb_per_day', 'Storage price of file search.'],
    ['vector_store_cost_per_gb_per_day', 'Storage price of vector stores.'],
    ['code_interpreter_cost_per_session', 'Price of a code-interpreter session.'],
    ['computer_use_input_cost_per_1k_tokens', 'Input price of computer use.'],
    ['computer_use_output_cost_per_1k_tokens', 'Output price of computer use.'],
    ['regional_processing_uplift_multiplier_eu', 'Surcharge for processing in the EU.'],
    ['regional_processing_uplift_multiplier_us', 'Surcharge for processing in the US.'],
    ['regional_endpoint_uplift_multiplier', 'Surcharge of regional endpoints.'],
    ['provider_specific_entry', 'Vendor-specific price multipliers.'],
  ].map(([name, description]) => [name, laterPrice(description ?? '')] as const),
)

/** Every other field that looks like a price: forwarding it to a vendor would be wrong. */
export const priceFamily = /_cost(_|$)/
