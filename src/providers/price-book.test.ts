import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { factsFromConfig, PriceBook } from './price-book.ts'

const shipped = new URL('../../data/model-prices.json', import.meta.url)
const text = readFileSync(shipped, 'utf8')
const whole = JSON.parse(text) as Record<string, Record<string, unknown>>
const book = PriceBook.load()

describe('the shipped price map', () => {
  it('is one entry per line with keys ascending, as the reader needs it', () => {
    const lines = text.trimEnd().split('\n').slice(1, -1)
    const keys = lines.map(line => Object.keys(JSON.parse(`{${line.replace(/,$/, '')}}`)))
    expect(keys.every(names => names.length === 1)).toBe(true)
    const flat = keys.flat()
    expect(flat).toEqual([...flat].sort())
    expect(text.startsWith('{\n"') && text.endsWith('}\n}\n')).toBe(true)
  })

  it('gives every entry under its key, exactly as a full parse would', () => {
    for (const [key, entry] of Object.entries(whole)) expect(book.get(key)?.entry).toEqual(entry)
  })

  it('gives nothing under any other key', () => {
    fc.assert(
      fc.property(fc.string(), key => {
        expect(book.get(key) !== undefined).toBe(Object.hasOwn(whole, key))
      }),
    )
    for (const key of Object.keys(whole).slice(0, 300)) {
      expect(book.get(`${key}!`)).toBeUndefined()
      expect(book.get(key.slice(0, -1)) !== undefined).toBe(Object.hasOwn(whole, key.slice(0, -1)))
    }
  })

  it('holds no rate that is not a whole number of pico-dollars', () => {
    for (const key of Object.keys(whole)) {
      for (const band of book.get(key)?.price?.bands ?? []) {
        for (const rate of Object.values(band.rates))
          expect(Number.isNaN(rate) || Number.isSafeInteger(rate)).toBe(true)
      }
    }
  })
})

describe('lookup', () => {
  it.each<[vendor: string, model: string, baseModel: string | undefined, key: string | undefined]>([
    ['openai', 'gpt-4o', undefined, 'gpt-4o'],
    ['anthropic', 'claude-sonnet-4-5', undefined, 'claude-sonnet-4-5'],
    ['gemini', 'gemini-2.5-pro', undefined, 'gemini/gemini-2.5-pro'],
    ['gemini', 'models/gemini-2.5-pro', undefined, 'gemini/gemini-2.5-pro'],
    ['vertex_ai', 'gemini-2.5-pro', undefined, 'gemini-2.5-pro'],
    ['azure', 'gpt-4o', undefined, 'azure/gpt-4o'],
    ['azure', 'eu/gpt-4o', undefined, 'azure/eu/gpt-4o'],
    ['azure', 'global/gpt-4o', undefined, 'azure/gpt-4o'],
    ['azure', 'my-deployment', 'gpt-4o', 'azure/gpt-4o'],
    ['azure', 'my-deployment', 'azure/gpt-4o', 'azure/gpt-4o'],
    ['openai', 'my-model', 'gemini/gemini-2.5-pro', 'gemini/gemini-2.5-pro'],
    ['openai', 'my-model', 'openai/gpt-4o', 'gpt-4o'],
    ['azure', 'my-deployment', 'anthropic/claude-sonnet-4-5', 'claude-sonnet-4-5'],
    ['openai', 'gpt-4o', 'no-such-model', 'gpt-4o'],
    ['openai', 'gpt-3.5-turbo-instruct', undefined, 'gpt-3.5-turbo-instruct'],
    ['openai', 'gpt-4o-2031-01-31', undefined, 'gpt-4o'],
    ['anthropic', 'claude-sonnet-4-5-20310131', undefined, 'claude-sonnet-4-5'],
    ['anthropic', 'claude-sonnet-4-5-latest', undefined, 'claude-sonnet-4-5'],
    ['bedrock', 'anthropic.claude-opus-4-7', undefined, 'anthropic.claude-opus-4-7'],
    ['bedrock', 'converse/eu-west-9/us.anthropic.claude-opus-4-7', undefined, 'anthropic.claude-opus-4-7'],
    ['openai', 'my-deployment', undefined, undefined],
    // Someone else's model of the same name.
    ['hosted_vllm', 'gpt-4o', undefined, undefined],
    ['ollama', 'claude-sonnet-4-5', undefined, undefined],
    ['groq', 'gpt-4o-2024-08-06', undefined, undefined],
  ])('%s %s (base %s) → %s', (vendor, model, baseModel, key) => {
    expect(book.lookup(vendor, model, baseModel)?.key).toBe(key)
  })

  it('prices a fine-tune by its own entry, never by its base', () => {
    expect(book.lookup('openai', 'ft:gpt-4o-2024-08-06:acme::abc')?.key).toBe('ft:gpt-4o-2024-08-06')
    const unlisted = book.lookup('openai', 'ft:gpt-5-mini:acme::abc')
    expect(unlisted?.key).toBe('gpt-5-mini')
    expect(unlisted?.price).toBeUndefined()
    expect(unlisted?.capabilities.functionCalling).toBe(true)
  })

  it('knows free from unknown', () => {
    expect(book.lookup('gemini', 'gemma-3-27b-it')?.price?.input).toBe(0)
    const copilot = book.lookup('github_copilot', 'gpt-4o')
    expect(copilot?.capabilities.maxOutputTokens).toBeGreaterThan(0)
    expect(copilot?.price).toBeUndefined()
  })

  it('lists what a wildcard of a vendor can serve', () => {
    const models = book.modelsOf('anthropic')
    expect(models).toContain('claude-sonnet-4-5')
    expect(models).not.toContain('gpt-4o')
    expect(book.modelsOf('gemini')).toContain('gemini-2.5-pro')
    expect(book.modelsOf('openai').filter(model => model.startsWith('ft:') || model.includes('1024'))).toEqual([])
  })
})

describe('another price map', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prices-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('may have any layout', () => {
    const path = join(folder, 'map.json')
    writeFileSync(
      path,
      JSON.stringify({ zebra: { litellm_provider: 'x', input_cost_per_token: 1e-6 }, ape: {} }, null, 4),
    )
    expect(PriceBook.load(path).get('zebra')?.price?.input).toBe(1_000_000)
    expect(PriceBook.load(path).get('ape')?.price).toBeUndefined()
  })

  it('must be an object', () => {
    const path = join(folder, 'list.json')
    writeFileSync(path, '[]')
    expect(() => PriceBook.load(path)).toThrow(/JSON object/)
  })
})

describe('capabilities', () => {
  it('reads limits, flags and efforts', () => {
    expect(book.lookup('openai', 'gpt-5')?.capabilities).toMatchObject({
      maxInputTokens: 272_000,
      maxOutputTokens: 128_000,
      functionCalling: true,
      reasoning: true,
      efforts: ['minimal'],
      mode: 'chat',
    })
    expect(book.lookup('openai', 'gpt-4o')?.capabilities.reasoning).toBeUndefined()
    expect(book.lookup('azure', 'gpt-chat-latest')?.capabilities.effortLevels).toEqual(['medium'])
  })
})

describe('factsFromConfig', () => {
  const gpt = book.lookup('openai', 'gpt-4o')

  it('is the price map where the deployment states nothing', () => {
    expect(factsFromConfig({ temperature: 1, max_tokens: 50 }, {}, gpt)).toBe(gpt)
    expect(factsFromConfig({}, {}).price).toBeUndefined()
  })

  it('prices an unknown model, also from strings', () => {
    const facts = factsFromConfig({ input_cost_per_token: '1e-6', output_cost_per_token: 0.000002 }, {})
    expect(facts.price).toMatchObject({ input: 1_000_000, output: 2_000_000 })
  })

  it('replaces a side of the price list whole', () => {
    const facts = factsFromConfig({ input_cost_per_token: 1e-6 }, {}, gpt)
    expect(facts.price?.bands[0]?.rates).toMatchObject({ input: 1e6, cacheRead: 1e6, output: 10e6 })
    expect(facts.price?.serviceTiers?.get('priority')?.[0]?.rates).toMatchObject({ input: 1e6, output: 17e6 })
    const cached = factsFromConfig({ cache_read_input_token_cost: 1e-7 }, {}, gpt)
    expect(cached.price?.bands[0]?.rates).toMatchObject({ input: 2.5e6, cacheRead: 1e5, output: 10e6 })
  })

  it('drops long-context and tiered rates of the map with the side they belong to', () => {
    const gemini = book.lookup('gemini', 'gemini-2.5-pro')
    const free = factsFromConfig({ input_cost_per_token: 0, output_cost_per_token: 0 }, {}, gemini)
    expect(free.price?.bands).toHaveLength(1)
    expect(free.price?.serviceTiers).toBeUndefined()
    const tiered = factsFromConfig({ input_cost_per_token: 1e-6 }, {}, book.lookup('dashscope', 'qwen-flash'))
    expect(tiered.price?.bands).toHaveLength(1)
  })

  it('lets litellm_params beat model_info in prices, and model_info in limits', () => {
    const facts = factsFromConfig(
      { input_cost_per_token: 1e-6, max_tokens: 5 },
      { input_cost_per_token: 2e-6, max_input_tokens: 4_000, supports_vision: false },
      gpt,
    )
    expect(facts.price?.input).toBe(1_000_000)
    expect(facts.capabilities).toMatchObject({ maxInputTokens: 4_000, maxOutputTokens: 16_384, vision: false })
  })

  it('keeps the price when only limits are overridden, and a withheld price withheld', () => {
    expect(factsFromConfig({}, { max_input_tokens: 10 }, gpt).price).toEqual(gpt?.price)
    const tuned = book.lookup('openai', 'ft:gpt-5-mini:acme::abc')
    expect(factsFromConfig({}, { max_input_tokens: 10 }, tuned).price).toBeUndefined()
    expect(factsFromConfig({ output_cost_per_token: 1e-6 }, {}, tuned).price).toMatchObject({
      input: undefined,
      output: 1e6,
    })
  })

  it('ignores what is not a price', () => {
    expect(factsFromConfig({ input_cost_per_token: 'cheap' }, { input_cost_per_token: -1 }, gpt)).toBe(gpt)
    expect(factsFromConfig({ input_cost_per_token: null }, {}).price).toBeUndefined()
  })

  it('charges data zones where the vendor does', () => {
    const astra = book.lookup('openai', 'gpt-6-astra')
    const eu = factsFromConfig({ api_base: 'https://eu.api.openai.com/v1' }, {}, astra)
    expect(eu.price?.input).toBe(Math.round((astra?.price?.input ?? 0) * 1.1))
    expect(factsFromConfig({ api_base: 'https://eu.api.openai.com.evil.example' }, {}, astra)).toBe(astra)
    const opus = book.lookup('anthropic', 'claude-opus-5')
    expect(factsFromConfig({ inference_geo: 'us' }, {}, opus).price?.output).toBe(
      Math.round((opus?.price?.output ?? 0) * 1.1),
    )
    expect(factsFromConfig({ inference_geo: 'global' }, {}, opus)).toBe(opus)
  })
})
