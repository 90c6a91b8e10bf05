import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { embeddingOf } from '../upstream/plan.ts'
import { at, startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

describe('openai SDK: embeddings', () => {
  const models = ['openai-embedding', 'azure-openai-embedding', 'gemini-embedding']

  it.each(models)('%s: one vector per text, in order, floats and base64 alike', async model => {
    const input = ['first text', 'second']
    // Without a format the SDK asks for base64 and decodes it; with one it takes what comes.
    for (const extra of [{}, { encoding_format: 'float' as const }]) {
      const { data, response } = await world.openai.embeddings.create({ model, input, ...extra }).withResponse()
      expect(data.object).toBe('list')
      expect(data.data.map(entry => entry.index)).toEqual([0, 1])
      expect(data.data.map(entry => [...entry.embedding])).toEqual(input.map(text => embeddingOf(text, 8)))
      expect(data.usage.prompt_tokens).toBeGreaterThan(0)
      expect(data.usage.total_tokens).toBe(data.usage.prompt_tokens)
      expect(Number(response.headers.get('x-litellm-response-cost'))).toBeGreaterThan(0)
      expect(response.headers.get('x-litellm-model-id')).toBe(`id-of-${model}`)
    }
  })

  it.each(models)('%s: a single text and a wished size', async model => {
    const answer = await world.openai.embeddings.create({ model, input: 'short', dimensions: 4 })
    expect(answer.data.map(entry => [...entry.embedding])).toEqual([embeddingOf('short', 4)])
  })

  it('anthropic has none and says so', async () => {
    const asked = world.openai.embeddings.create({ model: 'anthropic-chat', input: 'x' })
    await expect(asked).rejects.toBeInstanceOf(OpenAI.BadRequestError)
    expect(world.all()).toHaveLength(0)
  })
})

describe('openai SDK: models', () => {
  it('lists and retrieves the groups of the config', async () => {
    const ids: string[] = []
    for await (const model of world.openai.models.list()) ids.push(model.id)
    for (const wire of wires) expect(ids).toEqual(expect.arrayContaining([wire.chat, wire.reasoner]))
    expect(new Set(ids).size).toBe(ids.length)
    const one = await world.openai.models.retrieve('gemini-chat')
    expect(one).toMatchObject({ id: 'gemini-chat', object: 'model', owned_by: 'gemini' })
    await expect(world.openai.models.retrieve('nobody')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    // The gateway answers from its config, not from a vendor.
    expect(world.all()).toHaveLength(0)
  })
})

describe.each(wires)('openai SDK → $wire: legacy completions', wire => {
  const native = wire.wire === 'openai' || wire.wire === 'azure-openai'

  it('completes a prompt', async () => {
    const answer = await world.openai.completions.create({
      model: wire.chat,
      prompt: 'once upon a time',
      max_tokens: 40,
      stop: ['time'],
    })
    expect(answer.object).toBe('text_completion')
    expect(answer.choices).toHaveLength(1)
    expect(answer.choices[0]).toMatchObject({ index: 0, text: 'echo: once upon a ', finish_reason: 'stop' })
    expect(answer.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 })
    expect(world.sent(wire.wire).path.endsWith('/completions') && !world.sent(wire.wire).path.includes('/chat/')).toBe(
      native,
    )
  })

  it('streams it', async () => {
    const stream = await world.openai.completions.create({
      model: wire.chat,
      prompt: 'once upon a time',
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    const finish: (string | null)[] = []
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? ''
      if (chunk.choices[0]?.finish_reason) finish.push(chunk.choices[0].finish_reason)
      usage = chunk.usage ?? usage
    }
    expect([text, finish]).toEqual(['echo: once upon a time', ['stop']])
    expect(usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 5 })
  })
})

describe('openai SDK: Azure’s client', () => {
  it.each(wires)('AzureOpenAI reaches $wire by deployment path', async wire => {
    const { AzureOpenAI } = await import('openai')
    const azure = new AzureOpenAI({
      endpoint: world.gateway.url,
      apiKey: world.gateway.key,
      apiVersion: '2024-10-21',
      maxRetries: 0,
    })
    const answer = await azure.chat.completions.create({
      model: wire.chat,
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(answer.choices[0]!.message.content).toBe('echo: hi')
    expect(at(world.sent(wire.wire).headers, wire.credential[0])).toBe(wire.credential[1])
  })
})
