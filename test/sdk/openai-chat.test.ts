import type OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WireName } from '../upstream/types.ts'
import { at, dollars, pixel, startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const greeting: OpenAI.ChatCompletionMessageParam[] = [
  { role: 'system', content: 'Be brief' },
  { role: 'user', content: 'hello dear wörld ☀️' },
]

/** The caller's length limit, where each wire keeps it. */
const maxTokensPath: Readonly<Record<WireName, readonly string[]>> = {
  openai: ['max_tokens'],
  'azure-openai': ['max_tokens'],
  anthropic: ['max_tokens'],
  gemini: ['generationConfig', 'maxOutputTokens'],
}
const systemText: Readonly<Record<WireName, readonly (string | number)[]>> = {
  openai: ['messages', 0, 'content'],
  'azure-openai': ['messages', 0, 'content'],
  anthropic: ['system', 0, 'text'],
  gemini: ['systemInstruction', 'parts', 0, 'text'],
}

describe.each(wires)('openai SDK → $wire: chat', wire => {
  it('answers, with the vendor’s key and model upstream and usage, cost and deployment in the answer', async () => {
    const { data, response } = await world.openai.chat.completions
      .create({ model: wire.chat, messages: greeting, max_tokens: 50, temperature: 0.5 })
      .withResponse()
    expect(data.object).toBe('chat.completion')
    expect(data.model).toBe(wire.vendorModel)
    expect(data.choices).toHaveLength(1)
    expect(data.choices[0]).toMatchObject({
      index: 0,
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'echo: hello dear wörld ☀️' },
    })
    expect(data.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 5, total_tokens: 11 })
    expect(response.headers.get('x-litellm-model-id')).toBe(`id-of-${wire.chat}`)
    expect(response.headers.get('x-litellm-model-group')).toBe(wire.chat)
    expect(Number(response.headers.get('x-litellm-response-cost'))).toBe(dollars(wire, 6, 5))

    const sent = world.sent(wire.wire)
    const [header, value] = wire.credential
    expect(sent.headers[header]).toBe(value)
    expect(JSON.stringify(sent.rawHeaders) + sent.url + sent.text).not.toContain(world.gateway.key)
    expect(sent.model).toBe(wire.vendorModel)
    expect(at(sent.body, ...maxTokensPath[wire.wire])).toBe(50)
    expect(at(sent.body, ...systemText[wire.wire])).toBe('Be brief')
    expect(world.all()).toHaveLength(1)
  })

  it('streams the same answer; usage comes only when asked for', async () => {
    const request = { model: wire.chat, messages: greeting, stream: true } as const
    const { data: stream, response } = await world.openai.chat.completions.create(request).withResponse()
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(response.headers.get('x-litellm-model-id')).toBe(`id-of-${wire.chat}`)
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    const pieces = chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').filter(piece => piece !== '')
    expect(pieces.length).toBeGreaterThan(2)
    expect(pieces.join('')).toBe('echo: hello dear wörld ☀️')
    // Azure's first chunk only carries its filter's verdict on the prompt: no choices, no id.
    const named = wire.wire === 'azure-openai' ? chunks.slice(1) : chunks
    expect(new Set(named.map(chunk => chunk.id)).size).toBe(1)
    expect(named.every(chunk => chunk.object === 'chat.completion.chunk')).toBe(true)
    expect(chunks.flatMap(chunk => chunk.choices.flatMap(choice => choice.finish_reason ?? []))).toEqual(['stop'])
    expect(chunks.some(chunk => chunk.usage != null)).toBe(false)
  })

  it('streams usage in a last chunk without choices', async () => {
    const stream = await world.openai.chat.completions.create({
      model: wire.chat,
      messages: greeting,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.at(-1)!.choices).toEqual([])
    expect(chunks.at(-1)!.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 5, total_tokens: 11 })
    expect(chunks.filter(chunk => chunk.usage != null)).toHaveLength(1)
  })

  it('feeds the SDK’s stream helper to the end', async () => {
    const stream = world.openai.chat.completions.stream({
      model: wire.chat,
      messages: greeting,
      stream_options: { include_usage: true },
    })
    const snapshots: string[] = []
    stream.on('content', (_delta, snapshot) => snapshots.push(snapshot))
    const final = await stream.finalChatCompletion()
    expect(final.choices[0]!.message.content).toBe('echo: hello dear wörld ☀️')
    expect(final.choices[0]!.finish_reason).toBe('stop')
    expect(final.usage?.total_tokens).toBe(11)
    expect(snapshots.at(-1)).toBe('echo: hello dear wörld ☀️')
  })

  it.each([false, true])('says why it ended: length and stop (streamed: %s)', async streamed => {
    const finish = async (extra: object): Promise<unknown> => {
      const request = { model: wire.chat, messages: greeting, ...extra }
      const answer = streamed
        ? await world.openai.chat.completions.stream(request).finalChatCompletion()
        : await world.openai.chat.completions.create(request)
      return [answer.choices[0]!.message.content, answer.choices[0]!.finish_reason]
    }
    expect(await finish({ max_tokens: 2 })).toEqual(['echo: hello', 'length'])
    expect(await finish({ stop: ['wör'] })).toEqual(['echo: hello dear ', 'stop'])
  })

  it('sends an image given as a data URL', async () => {
    const answer = await world.openai.chat.completions.create({
      model: wire.chat,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
          ],
        },
      ],
    })
    expect(answer.choices[0]!.message.content).toBe('echo: what is this')
    const { body } = world.sent(wire.wire)
    const image = {
      openai: () => at(body, 'messages', 0, 'content', 1, 'image_url', 'url'),
      'azure-openai': () => at(body, 'messages', 0, 'content', 1, 'image_url', 'url'),
      anthropic: () => at(body, 'messages', 0, 'content', 1, 'source'),
      gemini: () => at(body, 'contents', 0, 'parts', 1, 'inlineData'),
    }[wire.wire]()
    const expected = {
      openai: `data:image/png;base64,${pixel}`,
      'azure-openai': `data:image/png;base64,${pixel}`,
      anthropic: { type: 'base64', media_type: 'image/png', data: pixel },
      gemini: { mimeType: 'image/png', data: pixel },
    }[wire.wire]
    expect(image).toEqual(expected)
  })

  it('keeps a conversation in order', async () => {
    const answer = await world.openai.chat.completions.create({
      model: wire.chat,
      messages: [
        { role: 'developer', content: 'Rules' },
        { role: 'user', content: 'one' },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: 'three' },
      ],
    })
    expect(answer.choices[0]!.message.content).toBe('echo: three')
    const { body } = world.sent(wire.wire)
    const turns = (at(body, wire.wire === 'gemini' ? 'contents' : 'messages') as { role: string }[]).map(
      ({ role }) => role,
    )
    const expected = {
      openai: ['developer', 'user', 'assistant', 'user'],
      'azure-openai': ['developer', 'user', 'assistant', 'user'],
      anthropic: ['user', 'assistant', 'user'],
      gemini: ['user', 'model', 'user'],
    }[wire.wire]
    expect(turns).toEqual(expected)
  })
})

describe('openai SDK: prompt caching', () => {
  it.each(wires.filter(({ wire }) => wire !== 'anthropic'))(
    '$wire: cached tokens are counted and priced',
    async wire => {
      world.upstream.fault(wire.vendorModel, { cached: 3 })
      const { data, response } = await world.openai.chat.completions
        .create({ model: wire.chat, messages: greeting })
        .withResponse()
      expect(data.usage?.prompt_tokens_details?.cached_tokens).toBe(3)
      expect(data.usage?.prompt_tokens).toBe(6)
      expect(Number(response.headers.get('x-litellm-response-cost'))).toBe(dollars(wire, 6, 5, 3))
    },
  )

  it('anthropic: a marked prefix is written once and read afterwards', async () => {
    const marked = { type: 'text', text: 'a long and stable preamble', cache_control: { type: 'ephemeral' } } as const
    const ask = () =>
      world.openai.chat.completions
        .create({
          model: 'anthropic-chat',
          messages: [
            { role: 'system', content: [marked] },
            { role: 'user', content: 'go' },
          ],
        })
        .withResponse()
    const first = await ask()
    expect(first.data.usage).toMatchObject({
      prompt_tokens: 6,
      prompt_tokens_details: { cached_tokens: 0 },
      cache_creation_input_tokens: 5,
    })
    // Written at 1.25 times the input price: 1 × 3 + 5 × 3.75 + 2 × 15 dollars per million.
    expect(Number(first.response.headers.get('x-litellm-response-cost'))).toBe(0.00005175)
    const second = await ask()
    expect(second.data.usage).toMatchObject({
      prompt_tokens: 6,
      prompt_tokens_details: { cached_tokens: 5 },
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 5,
    })
    const [anthropic] = wires.filter(({ wire }) => wire === 'anthropic')
    expect(Number(second.response.headers.get('x-litellm-response-cost'))).toBe(dollars(anthropic!, 6, 2, 5))
  })
})

describe('openai SDK: several choices and log probabilities, where the wire has them', () => {
  it.each(['openai-chat', 'azure-openai-chat', 'gemini-chat'])('%s: n', async model => {
    const answer = await world.openai.chat.completions.create({ model, messages: greeting, n: 2 })
    expect(answer.choices.map(choice => [choice.index, choice.message.content])).toEqual([
      [0, 'echo: hello dear wörld ☀️'],
      [1, 'echo: hello dear wörld ☀️ (2)'],
    ])
  })

  it.each(['openai-chat', 'azure-openai-chat'])('%s: logprobs, streamed too', async model => {
    const request = { model, messages: greeting, logprobs: true, top_logprobs: 2 }
    const answer = await world.openai.chat.completions.create(request)
    const tokens = answer.choices[0]!.logprobs!.content!
    expect(tokens.map(({ token }) => token).join('')).toBe('echo: hello dear wörld ☀️')
    expect(tokens[0]!.top_logprobs).toHaveLength(2)
    const streamed = await world.openai.chat.completions.stream(request).finalChatCompletion()
    expect(streamed.choices[0]!.logprobs!.content!.map(({ token }) => token)).toEqual(tokens.map(({ token }) => token))
  })

  it('gemini: logprobs are asked for in its words', async () => {
    await world.openai.chat.completions.create({
      model: 'gemini-chat',
      messages: greeting,
      logprobs: true,
      top_logprobs: 2,
    })
    expect(at(world.sent('gemini').body, 'generationConfig')).toMatchObject({ responseLogprobs: true, logprobs: 2 })
  })

  it.each([{ n: 2 }, { logprobs: true }])('anthropic has neither and says so: %o', async extra => {
    const asked = world.openai.chat.completions.create({ model: 'anthropic-chat', messages: greeting, ...extra })
    await expect(asked).rejects.toMatchObject({ status: 400, param: Object.keys(extra)[0], code: 'unsupported_params' })
    expect(world.all()).toHaveLength(0)
  })
})
