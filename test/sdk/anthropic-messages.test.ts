import type Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { at, dollars, pixel, startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'hello dear wörld ☀️' }]
const textOf = (message: Anthropic.Message): string =>
  message.content.map(block => (block.type === 'text' ? block.text : `<${block.type}>`)).join('')

describe.each(wires)('anthropic SDK → $wire: messages', wire => {
  const request = { model: wire.chat, max_tokens: 64, messages }

  it('answers, with the vendor’s key and model upstream and usage, cost and deployment in the answer', async () => {
    const { data, response } = await world.anthropic.messages
      .create({ ...request, system: 'Be brief', metadata: { user_id: 'u-1' } })
      .withResponse()
    expect(data).toMatchObject({ type: 'message', role: 'assistant', model: wire.vendorModel, stop_reason: 'end_turn' })
    expect(data.id).toMatch(/^msg_/)
    expect(data.stop_sequence).toBeNull()
    expect(data.content).toMatchObject([{ type: 'text', text: 'echo: hello dear wörld ☀️' }])
    expect(data.usage).toMatchObject({ input_tokens: 6, output_tokens: 5 })
    expect(response.headers.get('x-litellm-model-id')).toBe(`id-of-${wire.chat}`)
    expect(Number(response.headers.get('x-litellm-response-cost'))).toBe(dollars(wire, 6, 5))

    const sent = world.sent(wire.wire)
    expect(sent.headers[wire.credential[0]]).toBe(wire.credential[1])
    expect(JSON.stringify(sent.rawHeaders) + sent.url + sent.text).not.toContain(world.gateway.key)
    expect(sent.model).toBe(wire.vendorModel)
    const limit =
      wire.wire === 'gemini' ? at(sent.body, 'generationConfig', 'maxOutputTokens') : at(sent.body, 'max_tokens')
    expect(limit).toBe(64)
    expect(sent.text).toContain('Be brief')
    // Nothing of Anthropic's protocol leaks to the others.
    if (wire.wire !== 'anthropic') expect(JSON.stringify(sent.rawHeaders)).not.toMatch(/anthropic|stainless/i)
    else expect(sent.headers['anthropic-version']).toBe('2026-10-21')
  })

  it('takes sampling parameters from callers of the older API version', async () => {
    // The SDK of today neither types them nor speaks a version that knows them.
    const older = { headers: { 'anthropic-version': '2023-06-01' } }
    const message = await world.anthropic.messages.create({ ...request, ...{ temperature: 0.5 } }, older)
    expect(textOf(message)).toBe('echo: hello dear wörld ☀️')
    const { body } = world.sent(wire.wire)
    const settings = wire.wire === 'gemini' ? at(body, 'generationConfig') : body
    expect(settings).toMatchObject({ temperature: 0.5 })
  })

  it('streams events in Anthropic’s order, with the same message at the end', async () => {
    const events: Anthropic.MessageStreamEvent[] = []
    const deltas: string[] = []
    const stream = world.anthropic.messages
      .stream(request)
      .on('streamEvent', event => void events.push(event))
      .on('text', text => void deltas.push(text))
    const message = await stream.finalMessage()
    expect(textOf(message)).toBe('echo: hello dear wörld ☀️')
    expect(deltas.join('')).toBe('echo: hello dear wörld ☀️')
    expect(deltas.length).toBeGreaterThan(2)
    expect(message).toMatchObject({ stop_reason: 'end_turn', model: wire.vendorModel, usage: { output_tokens: 5 } })
    // Only Anthropic knows the prompt's size at the start of a stream; the others say it at the end.
    expect(message.usage.input_tokens).toBe(4)
    const order = events.map(event => event.type).filter((type, index, all) => type !== all[index - 1])
    expect(order).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
  })

  it('reads raw events too', async () => {
    const stream = await world.anthropic.messages.create({ ...request, stream: true })
    let text = ''
    for await (const event of stream) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
    }
    expect(text).toBe('echo: hello dear wörld ☀️')
  })

  it.each([false, true])('says why it ended: max_tokens and stop_sequence (streamed: %s)', async streamed => {
    const run = (extra: object) =>
      streamed
        ? world.anthropic.messages.stream({ ...request, ...extra }).finalMessage()
        : world.anthropic.messages.create({ ...request, ...extra })
    const short = await run({ max_tokens: 2 })
    expect([textOf(short), short.stop_reason]).toEqual(['echo: hello', 'max_tokens'])
    const stopped = await run({ stop_sequences: ['wör'] })
    expect(textOf(stopped)).toBe('echo: hello dear ')
    // OpenAI and Gemini do not tell a stop sequence from an end.
    expect(stopped.stop_reason).toBe(wire.wire === 'anthropic' ? 'stop_sequence' : 'end_turn')
    expect(stopped.stop_sequence).toBe(wire.wire === 'anthropic' ? 'wör' : null)
  })

  it('takes system blocks and images', async () => {
    const message = await world.anthropic.messages.create({
      ...request,
      system: [
        { type: 'text', text: 'Rule one' },
        { type: 'text', text: 'Rule two', cache_control: { type: 'ephemeral' } },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
            { type: 'text', text: 'what is this' },
          ],
        },
      ],
    })
    expect(textOf(message)).toBe('echo: what is this')
    const { body, text } = world.sent(wire.wire)
    expect(text.indexOf('Rule one')).toBeGreaterThan(0)
    expect(text.indexOf('Rule two')).toBeGreaterThan(text.indexOf('Rule one'))
    const image = {
      openai: () => at(body, 'messages', 1, 'content', 0, 'image_url', 'url'),
      'azure-openai': () => at(body, 'messages', 1, 'content', 0, 'image_url', 'url'),
      anthropic: () => at(body, 'messages', 0, 'content', 0, 'source', 'data'),
      gemini: () => at(body, 'contents', 0, 'parts', 0, 'inlineData', 'data'),
    }[wire.wire]()
    expect(String(image).endsWith(pixel)).toBe(true)
    expect(text.includes('cache_control')).toBe(wire.wire === 'anthropic')
  })

  it('counts tokens', async () => {
    const one = await world.anthropic.messages.countTokens({ model: wire.chat, messages })
    const more = await world.anthropic.messages.countTokens({
      model: wire.chat,
      system: 'You are a careful assistant',
      messages: [...messages, { role: 'assistant', content: 'yes' }, { role: 'user', content: 'and one two three' }],
      tools: [{ name: 'look', description: 'Looks something up', input_schema: { type: 'object' } }],
    })
    expect(one.input_tokens).toBeGreaterThan(0)
    expect(more.input_tokens).toBeGreaterThan(one.input_tokens)
    if (wire.wire === 'anthropic') {
      // The vendor's own count: four words, and five, one and four more.
      expect([one.input_tokens, more.input_tokens]).toEqual([4, 14])
      expect(world.sent('anthropic').path).toBe('/v1/messages/count_tokens')
    } else {
      expect(world.all()).toHaveLength(0)
    }
  })

  it('answers in a given JSON schema', async () => {
    const message = await world.anthropic.messages.create({
      ...request,
      output_config: {
        format: {
          type: 'json_schema',
          schema: {
            type: 'object',
            properties: { city: { type: 'string' }, warm: { type: 'boolean' } },
            required: ['city', 'warm'],
            additionalProperties: false,
          },
        },
      },
    })
    expect(JSON.parse(textOf(message))).toEqual({ city: 'echo', warm: true })
    expect(message.stop_reason).toBe('end_turn')
    world.sent(wire.wire)
  })
})

describe('anthropic SDK: caching and models', () => {
  it('anthropic: a marked prefix is written once and read afterwards', async () => {
    const ask = () =>
      world.anthropic.messages.create({
        model: 'anthropic-chat',
        max_tokens: 20,
        system: [{ type: 'text', text: 'a long preamble', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        messages: [{ role: 'user', content: 'go' }],
      })
    expect((await ask()).usage).toMatchObject({
      input_tokens: 1,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_1h_input_tokens: 3 },
    })
    expect((await ask()).usage).toMatchObject({
      input_tokens: 1,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 3,
    })
  })

  it.each(wires.filter(({ wire }) => wire !== 'anthropic'))(
    '$wire: cached tokens are not counted twice',
    async wire => {
      world.upstream.fault(wire.vendorModel, { cached: 3 })
      const message = await world.anthropic.messages.create({ model: wire.chat, max_tokens: 20, messages })
      expect(message.usage).toMatchObject({ input_tokens: 1, cache_read_input_tokens: 3, output_tokens: 5 })
      const streamed = await world.anthropic.messages
        .stream({ model: wire.chat, max_tokens: 20, messages })
        .finalMessage()
      expect(streamed.usage).toMatchObject({ input_tokens: 1, cache_read_input_tokens: 3, output_tokens: 5 })
    },
  )

  it('lists and retrieves models in Anthropic’s shape', async () => {
    const ids: string[] = []
    for await (const model of world.anthropic.models.list()) {
      expect(model.type).toBe('model')
      expect(Date.parse(model.created_at)).toBeGreaterThan(0)
      ids.push(model.id)
    }
    for (const wire of wires) expect(ids).toContain(wire.chat)
    expect(new Set(ids).size).toBe(ids.length)
    expect(await world.anthropic.models.retrieve('openai-chat')).toMatchObject({ type: 'model', id: 'openai-chat' })
  })
})
