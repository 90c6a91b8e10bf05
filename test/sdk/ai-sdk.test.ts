import { type AnthropicProvider, createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI, type OpenAIProvider } from '@ai-sdk/openai'
import {
  APICallError,
  embedMany,
  generateText,
  isStepCount,
  type LanguageModel,
  Output,
  streamText,
  type ToolSet,
  tool,
} from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { embeddingOf } from '../upstream/plan.ts'
import { pixel, startWorld, type World, wires } from './world.ts'

let world: World
let openai: OpenAIProvider
let anthropic: AnthropicProvider
beforeAll(async () => {
  world = await startWorld()
  const { url, key } = world.gateway
  openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key })
  anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: key })
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const doors = [
  { door: 'openai', modelOf: (name: string): LanguageModel => openai.chat(name) },
  { door: 'anthropic', modelOf: (name: string): LanguageModel => anthropic(name) },
]
const routes = doors.flatMap(entry => wires.map(wire => ({ ...entry, wire, name: wire.wire })))

describe.each(routes)('AI SDK ($door provider) → $name', ({ modelOf, wire }) => {
  const tools = {
    get_weather: tool({
      description: 'Looks up the weather',
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `sun in ${city}`,
    }),
    get_time: tool({
      description: 'Looks up the time',
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `noon in ${city}`,
    }),
  } satisfies ToolSet
  const calls = 'call:get_weather{"city":"Oslo"} call:get_time{"city":"Bern"}'
  const settings = () => ({ model: modelOf(wire.chat), maxRetries: 0, maxOutputTokens: 200 })

  it('generateText', async () => {
    const result = await generateText({ ...settings(), instructions: 'Be brief', prompt: 'hello there' })
    expect(result.text).toBe('echo: hello there')
    expect(result.finishReason).toBe('stop')
    expect(result.usage).toMatchObject({ inputTokens: 4, outputTokens: 3 })
    expect(result.response.modelId).toBe(wire.vendorModel)
    expect(result.response.headers?.['x-litellm-model-id']).toBe(`id-of-${wire.chat}`)
    expect(world.sent(wire.wire).text).toContain('Be brief')
  })

  it('streamText', async () => {
    const result = streamText({ ...settings(), prompt: 'hello there wörld' })
    const deltas: string[] = []
    for await (const delta of result.textStream) deltas.push(delta)
    expect(deltas.join('')).toBe('echo: hello there wörld')
    expect(deltas.length).toBeGreaterThan(1)
    expect(await result.finishReason).toBe('stop')
    expect(await result.usage).toMatchObject({ inputTokens: 3, outputTokens: 4 })
  })

  it('runs tools over several steps', async () => {
    const result = await generateText({ ...settings(), tools, stopWhen: isStepCount(3), prompt: calls })
    expect(result.text).toBe('tool said: sun in Oslo | noon in Bern')
    expect(result.steps).toHaveLength(2)
    expect(result.steps[0]!.finishReason).toBe('tool-calls')
    expect(result.steps[0]!.toolCalls.map(({ toolName, input }) => [toolName, input])).toEqual([
      ['get_weather', { city: 'Oslo' }],
      ['get_time', { city: 'Bern' }],
    ])
  })

  it('streams tools over several steps', async () => {
    const result = streamText({ ...settings(), tools, stopWhen: isStepCount(3), prompt: calls })
    expect(await result.text).toBe('tool said: sun in Oslo | noon in Bern')
    expect((await result.steps)[0]!.toolResults.map(({ output }) => output)).toEqual(['sun in Oslo', 'noon in Bern'])
  })

  it('structured output, streamed too', async () => {
    const schema = z.object({
      city: z.string(),
      days: z.array(z.object({ high: z.number() })),
      mood: z.enum(['a', 'b']),
    })
    const expected = { city: 'echo', days: [{ high: 1 }], mood: 'a' }
    const request = { ...settings(), output: Output.object({ schema }), prompt: 'report' }
    expect((await generateText(request)).output).toEqual(expected)
    expect(await streamText(request).output).toEqual(expected)
    world.sent(wire.wire)
  })

  it('sends an image', async () => {
    const result = await generateText({
      ...settings(),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this' },
            { type: 'file', data: pixel, mediaType: 'image/png' },
          ],
        },
      ],
    })
    expect(result.text).toBe('echo: what is this')
    expect(world.sent(wire.wire).text).toContain(pixel)
  })

  it('raises the upstream’s failure with its status, retryable where it is', async () => {
    world.upstream.fault(wire.vendorModel, 'status=429')
    const caught = await generateText({ ...settings(), prompt: 'x' }).catch((error: unknown) => error)
    expect(APICallError.isInstance(caught)).toBe(true)
    expect(caught).toMatchObject({ statusCode: 429, isRetryable: true })
    world.upstream.reset()
    world.upstream.fault(wire.vendorModel, 'status=400')
    const refused = await generateText({ ...settings(), prompt: 'x' }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ statusCode: 400, isRetryable: false })
  })
})

describe('AI SDK: reasoning and embeddings', () => {
  it.each(['anthropic-reasoner', 'gemini-reasoner'])('anthropic provider → %s tells its thoughts', async name => {
    const result = await generateText({
      model: anthropic(name),
      maxOutputTokens: 4000,
      providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 2000 } } },
      prompt: 'why so',
    })
    expect(result.reasoningText).toBe('thinking about: why so')
    expect(result.text).toBe('echo: why so')
  })

  it.each(['openai-reasoner', 'azure-openai-reasoner', 'gemini-reasoner'])(
    'openai provider → %s counts its thoughts',
    async name => {
      const result = await generateText({
        model: openai.chat(name),
        providerOptions: { openai: { reasoningEffort: 'low', forceReasoning: true } },
        prompt: 'why so',
      })
      expect(result.text).toBe('echo: why so')
      expect(result.usage.outputTokenDetails.reasoningTokens).toBe(4)
    },
  )

  it.each(['openai-embedding', 'azure-openai-embedding', 'gemini-embedding'])('embedMany → %s', async name => {
    const values = ['one', 'two three']
    const { embeddings, usage } = await embedMany({ model: openai.embedding(name), values })
    expect(embeddings).toEqual(values.map(text => embeddingOf(text, 8)))
    expect(usage.tokens).toBeGreaterThan(0)
  })
})
