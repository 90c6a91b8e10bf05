import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatNanoDollars } from '../../platform/money.ts'
import { freeOfCharge, type ModelPrice } from '../../providers/model-price.ts'
import { factsFromConfig, PriceBook } from '../../providers/price-book.ts'
import { decodeUsage } from '../../translate/openai-gemini/decode-usage.ts'
import { emptyUsage, type TokenUsage, tokenUsageOf, tokenUsageOfAnthropic } from '../../translate/token-usage.ts'
import { costNano, costOf, costUpperBound, unpriced } from './cost.ts'

const book = PriceBook.load()

function priceOf(vendor: string, model: string): ModelPrice {
  const price = book.lookup(vendor, model)?.price
  if (price === undefined) throw new Error(`${vendor}/${model} has no price`)
  return price
}

const usage = (parts: Partial<TokenUsage>): TokenUsage => ({ ...emptyUsage(), ...parts })
const dollars = (parts: Partial<TokenUsage>, price: ModelPrice, options?: Parameters<typeof costOf>[2]) =>
  formatNanoDollars(costOf(usage(parts), price, options).total)

// Worked out by hand from the vendors' price lists, in dollars per million tokens.
describe('well-known models', () => {
  it.each<
    [what: string, vendor: string, model: string, used: Partial<TokenUsage>, tier: string | undefined, cost: string]
  >([
    // 2.50 in, 10 out
    ['gpt-4o', 'openai', 'gpt-4o', { input: 1000, output: 500 }, undefined, '0.0075'],
    // 200 × 2.50 + 800 × 1.25 + 500 × 10
    ['gpt-4o, cached', 'openai', 'gpt-4o', { input: 1000, cacheRead: 800, output: 500 }, undefined, '0.0065'],
    // 4.25 in, 2.125 cached, 17 out
    ['gpt-4o, priority', 'openai', 'gpt-4o', { input: 1000, cacheRead: 800, output: 500 }, 'priority', '0.01105'],
    ['gpt-4o, a tier it has no price for', 'openai', 'gpt-4o', { input: 1000, output: 500 }, 'default', '0.0075'],
    // 0.15 in, 0.60 out
    ['gpt-4o-mini', 'openai', 'gpt-4o-mini', { input: 37, output: 3 }, undefined, '0.00000735'],
    // 2 in, 8 out, reasoning is output
    ['o3, reasoning', 'openai', 'o3', { input: 1000, output: 3000, reasoning: 2500 }, undefined, '0.026'],
    // 1 in, 0.25 cached, 4 out
    ['o3, flex', 'openai', 'o3', { input: 1000, cacheRead: 500, output: 3000, reasoning: 2500 }, 'flex', '0.012625'],
    // 5 in, 0.50 cached, 22.50 out: the whole call, from 272,001 tokens on
    ['gpt-5.4, long', 'openai', 'gpt-5.4', { input: 272_001, cacheRead: 1, output: 1000 }, undefined, '1.3825005'],
    ['gpt-5.4, not yet long', 'openai', 'gpt-5.4', { input: 272_000, output: 1000 }, undefined, '0.695'],
    ['gpt-5.4, long and flex', 'openai', 'gpt-5.4', { input: 300_000, output: 1000 }, 'flex', '0.76125'],
    // Priority states no long-context rate: the dearer of long (5, 22.50) and priority (5, 30).
    ['gpt-5.4, long and priority', 'openai', 'gpt-5.4', { input: 300_000, output: 1000 }, 'priority', '1.53'],
    // 3 in, 0.30 read, 3.75 written for 5 minutes, 6 for an hour, 15 out
    [
      'claude-sonnet-4-5, cache',
      'anthropic',
      'claude-sonnet-4-5',
      { input: 10_000, cacheRead: 4000, cacheWrite: 3000, cacheWrite1h: 2000, output: 1000 },
      undefined,
      '0.04245',
    ],
    // 1.25/10 to 200,000 tokens, 2.50/15 above
    ['gemini-2.5-pro', 'gemini', 'gemini-2.5-pro', { input: 200_000, output: 1000 }, undefined, '0.26'],
    ['gemini-2.5-pro, long', 'gemini', 'gemini-2.5-pro', { input: 200_001, output: 1000 }, undefined, '0.5150025'],
    // 0.30 text, 1 audio, 2.50 out with thoughts
    [
      'gemini-2.5-flash, audio',
      'gemini',
      'gemini-2.5-flash',
      { input: 1000, inputAudio: 600, output: 100, reasoning: 80 },
      undefined,
      '0.00097',
    ],
    // flex halves everything, thoughts too
    [
      'gemini-2.5-flash, flex',
      'gemini',
      'gemini-2.5-flash',
      { input: 1000, inputAudio: 600, output: 100, reasoning: 80 },
      'flex',
      '0.000485',
    ],
    // 32 audio in, 64 audio out, 2.50/10 text
    [
      'gpt-audio',
      'openai',
      'gpt-audio',
      { input: 100, inputAudio: 90, output: 50, outputAudio: 40 },
      undefined,
      '0.005565',
    ],
    // xAI's threshold is inclusive: 4/12 from 200,000 on
    ['grok, at the threshold', 'xai', 'grok-4.5', { input: 200_000, output: 0 }, undefined, '0.8'],
    ['grok, below it', 'xai', 'grok-4.5', { input: 199_999, output: 0 }, undefined, '0.399998'],
    // 0.13 in, no output
    ['text-embedding-3-large', 'openai', 'text-embedding-3-large', { input: 8191 }, undefined, '0.00106483'],
    // tiers: 1/5 to 32,000, then 1.80/9
    ['qwen3-coder-plus', 'dashscope', 'qwen3-coder-plus', { input: 32_000, output: 100 }, undefined, '0.0325'],
    [
      'qwen3-coder-plus, tier 2',
      'dashscope',
      'qwen3-coder-plus',
      { input: 32_001, output: 100 },
      undefined,
      '0.0585018',
    ],
    ['qwen3-coder-plus, past the end', 'dashscope', 'qwen3-coder-plus', { input: 2_000_000 }, undefined, '12'],
    // the reasoning rate is its own: 4 against 1.20
    [
      'qwen-plus, thinking',
      'dashscope',
      'qwen-plus-2025-07-28',
      { input: 1000, output: 100, reasoning: 60 },
      undefined,
      '0.000688',
    ],
    // 5 a thousand calls
    ['per call', 'perplexity', 'pplx-70b-online', { input: 10, output: 100 }, undefined, '0.00528'],
    // ×2
    ['claude-opus-5, fast', 'anthropic', 'claude-opus-5', { input: 1000, output: 100 }, 'fast', '0.015'],
  ])('%s', (_what, vendor, model, used, tier, cost) => {
    expect(dollars(used, priceOf(vendor, model), { serviceTier: tier })).toBe(cost)
  })

  it('web search: per search, by context size, or once a call', () => {
    const sonar = priceOf('perplexity', 'sonar-pro')
    expect(dollars({ webSearches: 3 }, sonar)).toBe('0.03')
    expect(dollars({ webSearches: 3 }, sonar, { searchContextSize: 'high' })).toBe('0.042')
    expect(dollars({ webSearches: 3 }, priceOf('gemini', 'gemini-2.5-pro'))).toBe('0.035')
    expect(dollars({ webSearches: 3 }, priceOf('anthropic', 'claude-sonnet-4-5'))).toBe('0.03')
  })

  it('off-peak hours', () => {
    const price = priceOf('deepseek', 'deepseek-flash')
    const used = { input: 1000, cacheRead: 500, output: 100 }
    const peak = '0.000273'
    const off = '0.0001365'
    const at = (time: string) => dollars(used, price, { epoch: Date.parse(time) })
    expect(dollars(used, price)).toBe(peak)
    // A Wednesday, then a Saturday.
    expect(at('2026-11-25T00:59:59Z')).toBe(off)
    expect(at('2026-11-25T01:00:00Z')).toBe(peak)
    expect(at('2026-11-25T09:59:59Z')).toBe(peak)
    expect(at('2026-11-25T23:59:59Z')).toBe(off)
    expect(at('2026-11-28T08:00:00Z')).toBe(off)
    // Sunday 20:00 UTC is Monday in Shanghai, but the hour is off-peak on both days; Monday 02:00 UTC is neither.
    const shanghai = priceOf('tencent', 'deepseek-v4.1-flash')
    expect(shanghai.offPeak?.weekdayOffset).toBe(480)
    expect(costNano(usage(used), shanghai, undefined, 0, Date.parse('2026-11-30T02:00:00Z'))).toBeGreaterThan(
      costNano(usage(used), shanghai, undefined, 0, Date.parse('2026-11-29T02:00:00Z')),
    )
  })
})

describe('custom prices', () => {
  it('bills seconds', () => {
    const { price } = factsFromConfig({ input_cost_per_second: 0.0005 }, { mode: 'chat' })
    expect(costOf(usage({ input: 100, output: 100 }), price, { seconds: 2.5 })).toEqual({
      total: 1_250_000,
      lines: [
        { kind: 'input', unit: 'token', quantity: 100, ratePico: 0, nano: 0 },
        { kind: 'output', unit: 'token', quantity: 100, ratePico: 0, nano: 0 },
        { kind: 'time', unit: 'second', quantity: 2.5, ratePico: 500_000_000, nano: 1_250_000 },
      ],
      priced: true,
    })
  })

  it('bills calls', () => {
    const { price } = factsFromConfig({ input_cost_per_request: 0.01 }, {})
    expect(dollars({ input: 5, output: 5 }, price ?? freeOfCharge)).toBe('0.01')
  })
})

describe('unknown prices', () => {
  it('are flagged, never zero', () => {
    expect(costOf(usage({ input: 10 }), undefined)).toEqual({ total: 0, lines: [], priced: false })
    expect(costNano(usage({ input: 10 }), undefined)).toBe(unpriced)
    expect(costNano(usage({}), undefined)).toBe(unpriced)
  })

  it('are flagged when one needed rate is missing', () => {
    const { price } = factsFromConfig({ input_cost_per_token: 1e-6 }, { mode: 'chat' })
    expect(costNano(usage({ input: 10 }), price)).toBe(10_000)
    expect(costNano(usage({ input: 10, output: 1 }), price)).toBe(unpriced)
    expect(costOf(usage({ input: 10, output: 1 }), price).priced).toBe(false)
    expect(costUpperBound(10, 1, price)).toBe(unpriced)
  })

  it('are not the same as free', () => {
    expect(costOf(usage({ input: 10, output: 10 }), freeOfCharge)).toMatchObject({ total: 0, priced: true })
    expect(costNano(usage({ input: 10, output: 10 }), priceOf('gemini', 'gemma-3-27b-it'))).toBe(0)
  })
})

it('rounds each line half up to a nano-dollar', () => {
  const { price } = factsFromConfig({ input_cost_per_token: 0.5e-9, output_cost_per_token: 0.499e-9 }, {})
  expect(costNano(usage({ input: 1 }), price)).toBe(1)
  expect(costNano(usage({ output: 1 }), price)).toBe(0)
  expect(costNano(usage({ input: 3, output: 3 }), price)).toBe(2 + 1)
})

const tokens = fc.integer({ min: 0, max: 2_000_000 })
const anyUsage = fc.record({
  input: tokens,
  cacheRead: tokens,
  cacheWrite: tokens,
  cacheWrite1h: tokens,
  inputAudio: tokens,
  inputImage: tokens,
  output: tokens,
  reasoning: tokens,
  outputAudio: tokens,
  outputImage: tokens,
  webSearches: fc.integer({ min: 0, max: 5 }),
})
const prices = [
  ['openai', 'gpt-4o'],
  ['openai', 'gpt-5.4'],
  ['anthropic', 'claude-opus-5'],
  ['gemini', 'gemini-2.5-flash'],
  ['dashscope', 'qwen3-coder-plus'],
  ['deepseek', 'deepseek-flash'],
].map(([vendor = '', model = '']) => priceOf(vendor, model))
const anyPrice = fc.constantFrom(...prices)
const anyTier = fc.constantFrom(undefined, 'flex', 'priority', 'fast', 'batch', 'auto', 'constructor')

function billedTokens(used: TokenUsage, price: ModelPrice): number {
  const { lines } = costOf(used, price)
  return lines.filter(line => line.unit === 'token').reduce((sum, line) => sum + line.quantity, 0)
}

describe('every usage', () => {
  it('is billed to the token, no part twice', () => {
    fc.assert(
      fc.property(anyUsage, anyPrice, (used, price) => {
        expect(billedTokens(used, price)).toBe(used.input + used.output)
      }),
    )
  })

  it('costs the same on the hot path as explained, and the lines add up', () => {
    fc.assert(
      fc.property(anyUsage, anyPrice, anyTier, fc.nat(), (used, price, serviceTier, epoch) => {
        const cost = costOf(used, price, { serviceTier, epoch, seconds: 1 })
        expect(costNano(used, price, serviceTier, 1, epoch)).toBe(cost.total)
        expect(cost.lines.reduce((sum, line) => sum + line.nano, 0)).toBe(cost.total)
        expect(Number.isSafeInteger(cost.total) && cost.total >= 0).toBe(true)
      }),
    )
  })

  it('stays below the upper bound', () => {
    fc.assert(
      fc.property(anyUsage, anyPrice, anyTier, (used, price, tier) => {
        const bound = costUpperBound(used.input, used.output, price, tier)
        // Ten lines, each rounded by half a nano-dollar at the most.
        expect(costNano({ ...used, webSearches: 0 }, price, tier)).toBeLessThanOrEqual(bound + 5)
      }),
    )
  })

  it('costs more with more output, and less with more of the input cached', () => {
    const gpt = priceOf('openai', 'gpt-4o')
    fc.assert(
      fc.property(tokens, tokens, fc.integer({ min: 1, max: 1000 }), (input, output, more) => {
        const base = costNano(usage({ input, output }), gpt)
        expect(costNano(usage({ input, output: output + more }), gpt)).toBeGreaterThan(base)
        expect(costNano(usage({ input, output, cacheRead: more }), gpt)).toBeLessThanOrEqual(base)
      }),
    )
  })
})

describe("every vendor's dialect bills input + output", () => {
  const gpt = priceOf('openai', 'gpt-5')

  it('OpenAI: details are parts of the totals', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (prompt, completion, cached, reasoning) => {
        const used = tokenUsageOf({
          prompt_tokens: prompt,
          completion_tokens: completion,
          total_tokens: prompt + completion,
          prompt_tokens_details: { cached_tokens: Math.min(cached, prompt) },
          completion_tokens_details: { reasoning_tokens: Math.min(reasoning, completion) },
        })
        expect(billedTokens(used, gpt)).toBe(prompt + completion)
      }),
    )
  })

  it('xAI: reasoning stands beside completion_tokens, and its total includes it', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, (prompt, completion, reasoning) => {
        const used = tokenUsageOf({
          prompt_tokens: prompt,
          completion_tokens: completion,
          total_tokens: prompt + completion + reasoning,
          completion_tokens_details: { reasoning_tokens: reasoning },
        })
        expect(billedTokens(used, gpt)).toBe(prompt + completion + reasoning)
      }),
    )
  })

  it('DeepSeek: cache hits and misses add up to prompt_tokens', () => {
    const used = tokenUsageOf({
      prompt_tokens: 100,
      completion_tokens: 10,
      total_tokens: 110,
      prompt_cache_hit_tokens: 64,
      prompt_cache_miss_tokens: 36,
    })
    expect(dollars(used, priceOf('deepseek', 'deepseek-chat'))).toBe('0.000016072')
  })

  it('Anthropic: cache counts stand beside input_tokens', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, tokens, (input, read, short, hour, output) => {
        const used = tokenUsageOfAnthropic({
          input_tokens: input,
          output_tokens: output,
          cache_read_input_tokens: read,
          cache_creation_input_tokens: short + hour,
          cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: hour },
        })
        expect(billedTokens(used, gpt)).toBe(input + read + short + hour + output)
      }),
    )
  })

  it('Gemini: cached tokens are in the prompt count, thoughts beside the candidates', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (prompt, cached, candidates, thoughts) => {
        const used = tokenUsageOf(
          decodeUsage({
            promptTokenCount: prompt,
            cachedContentTokenCount: Math.min(cached, prompt),
            candidatesTokenCount: candidates,
            thoughtsTokenCount: thoughts,
            totalTokenCount: prompt + candidates + thoughts,
          }),
        )
        expect(billedTokens(used, gpt)).toBe(prompt + candidates + thoughts)
      }),
    )
  })
})
