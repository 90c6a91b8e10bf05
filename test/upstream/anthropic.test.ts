import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startUpstream, type Upstream } from './server.ts'

let upstream: Upstream
let client: Anthropic

beforeAll(async () => {
  upstream = await startUpstream({ apiKey: 'sk-ant' })
  client = new Anthropic({ apiKey: 'sk-ant', baseURL: upstream.url, maxRetries: 0 })
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

const model = 'claude-sonnet-4-6'
const base = { model, max_tokens: 2048 }
const hi = [{ role: 'user' as const, content: 'hi there' }]
const tools = [
  { name: 'get_weather', input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } } },
]

describe('anthropic wire through the official SDK', () => {
  it('answers and streams the same text with usage', async () => {
    const plain = await client.messages.create({ ...base, messages: hi, system: 'be brief' })
    expect(plain.content).toEqual([{ type: 'text', text: 'echo: hi there' }])
    expect(plain.stop_reason).toBe('end_turn')
    expect(plain.usage).toMatchObject({ input_tokens: 4, output_tokens: 3 })
    const streamed = await client.messages.stream({ ...base, messages: hi, system: 'be brief' }).finalMessage()
    expect(streamed.content).toEqual(plain.content)
    expect(streamed.usage).toMatchObject({ input_tokens: 4, output_tokens: 3 })
  })

  it('calls tools in parallel and takes all results in the next turn', async () => {
    const ask = { role: 'user' as const, content: 'call:get_weather{"city":"Oslo"} call:get_weather' }
    for (const streaming of [false, true]) {
      const params = { ...base, messages: [ask], tools }
      const first = streaming
        ? await client.messages.stream(params).finalMessage()
        : await client.messages.create(params)
      expect(first.stop_reason).toBe('tool_use')
      const calls = first.content.filter(block => block.type === 'tool_use')
      expect(calls.map(call => call.input)).toEqual([{ city: 'Oslo' }, {}])
      const results = calls.map(call => ({
        type: 'tool_result' as const,
        tool_use_id: call.id,
        content: `for ${call.id}`,
      }))
      const second = await client.messages.create({
        ...base,
        tools,
        messages: [ask, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
      })
      expect(second.content[0]).toMatchObject({ text: `tool said: for ${calls[0]!.id} | for ${calls[1]!.id}` })
    }
  })

  it('thinks with a signature that has to come back unchanged', async () => {
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 }
    const ask = { role: 'user' as const, content: 'call:get_weather{"city":"Oslo"}' }
    const first = await client.messages.stream({ ...base, thinking, tools, messages: [ask] }).finalMessage()
    const [thought, call] = first.content
    expect(thought).toMatchObject({ type: 'thinking', thinking: 'thinking about: call:get_weather{"city":"Oslo"}' })
    expect(thought!.type === 'thinking' && thought!.signature).toBeTruthy()
    const result = {
      type: 'tool_result' as const,
      tool_use_id: call!.type === 'tool_use' ? call!.id : '',
      content: 'sun',
    }
    const next = (content: Anthropic.ContentBlockParam[]) =>
      client.messages.create({
        ...base,
        thinking,
        tools,
        messages: [ask, { role: 'assistant', content }, { role: 'user', content: [result] }],
      })
    expect((await next(first.content)).content.at(-1)).toMatchObject({ text: 'tool said: sun' })
    await expect(next([call!])).rejects.toThrow(/must start with a thinking block/)
    await expect(next([{ type: 'thinking', thinking: 'other', signature: 'EqQB' }, call!])).rejects.toThrow(
      /Invalid `signature`/,
    )
  })

  it('writes a cached prefix once and reads it afterwards', async () => {
    const system = [{ type: 'text' as const, text: 'one two three', cache_control: { type: 'ephemeral' as const } }]
    const first = await client.messages.create({ ...base, system, messages: hi })
    const second = await client.messages.create({ ...base, system, messages: hi })
    expect(first.usage).toMatchObject({ input_tokens: 2, cache_creation_input_tokens: 3, cache_read_input_tokens: 0 })
    expect(second.usage).toMatchObject({ input_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 3 })
  })

  it('counts tokens and refuses there what only creation knows', async () => {
    expect(await client.messages.countTokens({ model, messages: hi })).toEqual({ input_tokens: 2 })
    await expect(client.messages.countTokens({ ...base, messages: hi })).rejects.toThrow(/max_tokens: Extra inputs/)
  })

  const use = { type: 'tool_use', id: 't1', name: 'get_weather', input: {} }
  const result = { type: 'tool_result', tool_use_id: 't1', content: 'x' }
  it.each([
    ['a missing max_tokens', { max_tokens: undefined }, /max_tokens: Field required/],
    ['an unknown field', { stream_options: {} }, /stream_options: Extra inputs are not permitted/],
    ['the system role', { messages: [{ role: 'system', content: 'x' }] }, /Unexpected role "system"/],
    [
      'a model turn first',
      { messages: [{ role: 'assistant', content: 'x' }] },
      /first message must use the "user" role/,
    ],
    ['an empty text', { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }, /must be non-empty/],
    [
      'an OpenAI image part',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      /Input tag 'image_url'/,
    ],
    [
      'a missing tool result',
      { tools, messages: [...hi, { role: 'assistant', content: [use] }, { role: 'user', content: 'x' }] },
      /without `tool_result` blocks immediately after: t1/,
    ],
    [
      'a text before the tool result',
      {
        tools,
        messages: [
          ...hi,
          { role: 'assistant', content: [use] },
          { role: 'user', content: [{ type: 'text', text: 'x' }, result] },
        ],
      },
      /without `tool_result` blocks/,
    ],
    ['an orphan tool result', { tools, messages: [{ role: 'user', content: [result] }] }, /unexpected `tool_use_id`/],
    [
      'tool blocks without tools',
      { messages: [...hi, { role: 'assistant', content: [use] }, { role: 'user', content: [result] }] },
      /must define tools/,
    ],
    ['sampling parameters on the newest version', { temperature: 1 }, /temperature: Extra inputs are not permitted/],
    [
      'trailing white space in a prefill',
      { messages: [...hi, { role: 'assistant', content: 'x ' }] },
      /trailing whitespace/,
    ],
    [
      'five cache breakpoints',
      { system: Array.from({ length: 5 }, () => ({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } })) },
      /maximum of 4 blocks/,
    ],
  ])('refuses %s', async (_, change, message) => {
    const request = { ...base, messages: hi, ...change }
    const error = await client.messages.create(request as never).then(
      () => undefined,
      failure => failure,
    )
    expect(error).toBeInstanceOf(Anthropic.BadRequestError)
    expect(error.apiMessage).toMatch(message)
  })

  it('combines turns of one role and keeps sampling on the version before', async () => {
    const older = new Anthropic({
      apiKey: 'sk-ant',
      baseURL: upstream.url,
      maxRetries: 0,
      defaultHeaders: { 'anthropic-version': '2023-06-01' },
    })
    const send = (change: object) => older.messages.create({ ...base, messages: [...hi, ...hi], ...change } as never)
    expect((await send({ temperature: 0.5 })).content[0]).toMatchObject({ text: 'echo: hi there hi there' })
    await expect(send({ temperature: 1.5 })).rejects.toThrow(/less than or equal to 1/)
  })

  it('takes system turns on the models that know them', async () => {
    const messages = [...hi, { role: 'system' as const, content: 'be brief' }]
    await expect(client.messages.create({ ...base, messages })).rejects.toThrow(/not supported on this model/)
    const answer = await client.messages.create({ ...base, model: 'claude-opus-4-8', messages })
    expect(answer.content[0]).toMatchObject({ text: 'echo: hi there' })
  })

  it('needs a key and a version header', async () => {
    const send = (headers: Record<string, string>) =>
      fetch(`${upstream.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ ...base, messages: hi }),
      })
    expect((await send({ 'anthropic-version': '2023-06-01' })).status).toBe(401)
    expect((await send({ 'x-api-key': 'sk-ant' })).status).toBe(400)
    expect((await send({ 'x-api-key': 'sk-ant', 'anthropic-version': '2023-06-01' })).status).toBe(200)
  })

  it('reports an error event inside a stream as the SDK error', async () => {
    const run = client.messages.stream({ ...base, model: `${model}@error_content=2`, messages: hi })
    await expect(run.finalMessage()).rejects.toThrow(/overloaded_error/)
    await expect(client.messages.create({ ...base, model: `${model}@status=529`, messages: hi })).rejects.toMatchObject(
      { status: 529 },
    )
  })
})
