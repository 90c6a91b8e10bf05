import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, message, type StreamAnswer, send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { bearer, get, metric } from './setup.ts'

let gateway: Gateway

const model = (name: string, params: Json): Json => ({
  model_name: name,
  litellm_params: { model: `demo/${name}`, ...params },
})

beforeAll(async () => {
  gateway = await startGateway({
    bare: true,
    env: { LITELLM_MASTER_KEY: 'sk-demo-key' },
    config: {
      model_list: [
        model('quick', { words_per_second: 0 }),
        model('paced', { words_per_second: 50 }),
        model('priced', { words_per_second: 0, input_cost_per_token: 0.001, output_cost_per_token: 0.01 }),
      ],
    },
  })
  Object.assign(gateway, { key: 'sk-demo-key' })
})
afterAll(() => gateway.stop())

const usage = (answer: StreamAnswer): Record<string, number> => answer.json!['usage'] as Record<string, number>
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const clock = { type: 'function', function: { name: 'get_time', parameters: { type: 'object', properties: {} } } }

describe('the demo models', () => {
  it('answer the same way each time, and count tokens', async () => {
    const [first, second] = [await chat(gateway, 'quick', 'Hello there'), await chat(gateway, 'quick', 'Hello there')]
    expect(first.status).toBe(200)
    expect(contentOf(first)).toContain('“Hello there”')
    expect(first.text).toBe(second.text)
    const { prompt_tokens: input = 0, completion_tokens: output = 0, total_tokens: total } = usage(first)
    expect(total).toBe(input + output)
    // Hello there + the frame of a message; some 25 words of answer.
    expect(input).toBeGreaterThanOrEqual(6)
    expect(input).toBeLessThan(12)
    expect(output).toBeGreaterThan(20)
    const longer = await chat(gateway, 'quick', 'Hello there and then some more words')
    expect(usage(longer)['prompt_tokens']).toBe(input + 5)
    expect(first.headers['x-litellm-response-cost'], 'no cost unless one is set').toBe('0')
    const priced = await chat(gateway, 'priced', 'Hello there')
    expect(Number(priced.headers['x-litellm-response-cost'])).toBeCloseTo(
      usage(priced)['prompt_tokens']! * 0.001 + usage(priced)['completion_tokens']! * 0.01,
      9,
    )
    const limited = await chat(gateway, 'quick', 'Hello there', { max_tokens: 3 })
    expect(contentOf(limited).trim().split(' ')).toHaveLength(3)
    expect(limited.json!['choices']).toMatchObject([{ finish_reason: 'length' }])
  })

  it('stream word by word at their pace', async () => {
    const whole = contentOf(await chat(gateway, 'paced', 'one two three'))
    const answer = await chatStream(gateway, 'paced', 'one two three')
    expect([contentOf(answer), answer.events.at(-1)!.data]).toEqual([whole, '[DONE]'])
    const words = answer.events.filter(event => contentOf({ ...answer, events: [event] }) !== '')
    expect(words.map(event => contentOf({ ...answer, events: [event] }).trim())).toEqual(whole.trim().split(' '))
    // 50 words a second: 20 ms each. The machine may be slower, never faster.
    const span = words.at(-1)!.at - words[0]!.at
    expect(span).toBeGreaterThan((words.length - 1) * 18)
    const unpaced = await chatStream(gateway, 'quick', 'one two three')
    expect(unpaced.events.at(-1)!.at - unpaced.events[0]!.at).toBeLessThan(span)
  })

  it('call tools with arguments that fit their schema, streamed too, and repeat what the tool said', async () => {
    const asked = await chat(gateway, 'quick', 'get_weather in Oslo', { tools: [weather, clock] })
    const choice = (asked.json!['choices'] as Json[])[0]!
    const [called] = (choice['message'] as { tool_calls: Json[] }).tool_calls
    expect(choice['finish_reason']).toBe('tool_calls')
    expect(called).toMatchObject({ type: 'function', function: { name: 'get_weather' } })
    const args = JSON.parse((called!['function'] as { arguments: string }).arguments) as Json
    expect(args).toEqual({ city: 'get_weather in Oslo' })
    const both = await chat(gateway, 'quick', 'get_weather and get_time', { tools: [weather, clock] })
    expect(((both.json!['choices'] as Json[])[0]!['message'] as { tool_calls: Json[] }).tool_calls).toHaveLength(2)

    const streamed = await chatStream(gateway, 'quick', 'get_weather in Oslo', { tools: [weather] })
    const pieces = streamed.events.flatMap(
      event =>
        (event.json?.['choices'] as { delta: { tool_calls?: { function: { arguments: string } }[] } }[])?.[0]?.delta
          .tool_calls ?? [],
    )
    expect(JSON.parse(pieces.map(piece => piece.function.arguments).join(''))).toEqual(args)

    const after = await chat(
      gateway,
      'quick',
      [
        { role: 'user', content: 'get_weather in Oslo' },
        { role: 'assistant', content: null, tool_calls: [called] },
        { role: 'tool', tool_call_id: called!['id'], content: 'sunny, 20 degrees' },
      ],
      { tools: [weather] },
    )
    expect(contentOf(after)).toContain('sunny, 20 degrees')
    const none = await chat(gateway, 'quick', 'get_weather', { tools: [weather], tool_choice: 'none' })
    expect((none.json!['choices'] as Json[])[0]).toMatchObject({ finish_reason: 'stop' })
  })

  it('keep to JSON schemas, reason when asked, and speak Anthropic as well', async () => {
    const schema = {
      type: 'object',
      properties: {
        name: { type: 'string' },
        size: { type: 'integer' },
        tags: { type: 'array', items: { enum: ['x', 'y'] } },
      },
      required: ['name', 'size', 'tags'],
    }
    const shaped = await chat(gateway, 'quick', 'Bob', {
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
    })
    expect(JSON.parse(contentOf(shaped))).toEqual({ name: 'Bob', size: 1, tags: ['x'] })
    const thoughtful = await chat(gateway, 'quick', 'Bob', { reasoning_effort: 'high' })
    expect((thoughtful.json!['choices'] as Json[])[0]!['message']).toMatchObject({
      reasoning_content: expect.stringMatching(/./),
    })
    const spoken = await message(gateway, 'quick', 'Bob')
    expect(spoken.json).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: expect.stringContaining('“Bob”') }],
    })
    const completion = await send(`${gateway.url}/v1/completions`, {
      headers: bearer(gateway),
      body: { model: 'quick', prompt: 'Bob' },
    })
    expect(completion.json).toMatchObject({
      object: 'text_completion',
      choices: [{ text: expect.stringContaining('“Bob”') }],
    })
  })

  it('embed: unit length, alike for like texts, in both encodings', async () => {
    const embed = async (input: unknown, extra: Json = {}) =>
      (
        await send(`${gateway.url}/v1/embeddings`, {
          headers: bearer(gateway),
          body: { model: 'quick', input, ...extra },
        })
      ).json!
    const body = await embed(['the cat sat', 'the cat sat down', 'quarterly revenue report'])
    const vectors = (body['data'] as { embedding: number[]; index: number }[]).map(({ embedding }) => embedding)
    expect((body['data'] as Json[]).map(entry => entry['index'])).toEqual([0, 1, 2])
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0)
    for (const vector of vectors) expect(dot(vector, vector)).toBeCloseTo(1, 5)
    expect(dot(vectors[0]!, vectors[1]!)).toBeGreaterThan(dot(vectors[0]!, vectors[2]!))
    expect((body['usage'] as Json)['prompt_tokens']).toBeGreaterThan(8)
    const coded = (await embed('the cat sat', { encoding_format: 'base64' }))['data'] as { embedding: string }[]
    const bytes = Buffer.from(coded[0]!.embedding, 'base64')
    expect(bytes.readFloatLE(0)).toBeCloseTo(vectors[0]![0]!, 6)
  })

  it('are counted like any other model', async () => {
    const text = (await get(gateway, '/metrics')).text
    expect(metric(text, 'litellm_deployment_success_responses_total', { api_provider: 'demo' })).toBeGreaterThan(10)
    expect(metric(text, 'routeiq_unpriced_calls_total', { api_provider: 'demo' })).toBe(0)
  })
})
