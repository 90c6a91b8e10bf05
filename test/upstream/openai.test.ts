import OpenAI, { AzureOpenAI } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startUpstream, type Upstream } from './server.ts'

let upstream: Upstream
let client: OpenAI
let azure: AzureOpenAI

beforeAll(async () => {
  upstream = await startUpstream({ apiKey: 'sk-test' })
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${upstream.url}/v1`, maxRetries: 0 })
  azure = new AzureOpenAI({ apiKey: 'sk-test', endpoint: upstream.url, apiVersion: '2024-10-21', maxRetries: 0 })
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

describe('openai wire through the official SDK', () => {
  it('answers a chat and counts words', async () => {
    const answer = await client.chat.completions.create({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'hi there' }],
    })
    expect(answer.choices[0]!.message.content).toBe('echo: hi there')
    expect(answer.choices[0]!.finish_reason).toBe('stop')
    expect(answer.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 })
    expect(upstream.requests).toHaveLength(1)
    expect(upstream.requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      model: 'gpt-4o',
      wire: 'openai',
      status: 200,
    })
  })

  it('streams with usage in a last chunk without choices', async () => {
    const stream = await client.chat.completions.create({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'héllo wörld 🎉' }],
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    const last: unknown[] = []
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      if (chunk.usage != null) last.push(chunk)
    }
    expect(text).toBe('echo: héllo wörld 🎉')
    expect(last).toHaveLength(1)
    expect(last[0]).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } })
  })

  it('makes the asked tool calls in parallel and takes their results', async () => {
    const ask = { role: 'user' as const, content: 'call:get_weather{"city":"Oslo"} call:get_weather{"city":"Rome"}' }
    const first = await client.chat.completions.create({ model: 'gpt-4o', messages: [ask], tools: [weather] })
    const message = first.choices[0]!.message
    expect(first.choices[0]!.finish_reason).toBe('tool_calls')
    const calls = message.tool_calls!.filter(call => call.type === 'function')
    expect(calls.map(call => JSON.parse(call.function.arguments))).toEqual([{ city: 'Oslo' }, { city: 'Rome' }])
    const second = await client.chat.completions.create({
      model: 'gpt-4o',
      tools: [weather],
      messages: [
        ask,
        message,
        ...calls.map(call => ({ role: 'tool' as const, tool_call_id: call.id, content: `r ${call.id}` })),
      ],
    })
    expect(second.choices[0]!.message.content).toBe(`tool said: r ${calls[0]!.id} | r ${calls[1]!.id}`)
  })

  it('streams tool arguments that join to the same call', async () => {
    const run = client.chat.completions.stream({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'call:get_weather{"city":"São Paulo"}' }],
      tools: [weather],
    })
    const message = await run.finalMessage()
    const call = message.tool_calls![0]!
    expect(call.type === 'function' && JSON.parse(call.function.arguments)).toEqual({ city: 'São Paulo' })
  })

  it('answers structured output that fits the schema', async () => {
    const schema = {
      type: 'object',
      properties: {
        n: { type: 'integer', minimum: 3 },
        kind: { enum: ['a', 'b'] },
        tags: { type: 'array', items: { type: 'string' } },
      },
      required: ['n', 'kind', 'tags'],
      additionalProperties: false,
    }
    const answer = await client.chat.completions.create({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'x' }],
      response_format: { type: 'json_schema', json_schema: { name: 'out', schema, strict: true } },
    })
    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ n: 3, kind: 'a', tags: ['echo'] })
  })

  it('gives n choices, logprobs, reasoning counts, stop and length', async () => {
    const messages = [{ role: 'user' as const, content: 'one two three four' }]
    const many = await client.chat.completions.create({
      model: 'gpt-4o',
      messages,
      n: 2,
      logprobs: true,
      top_logprobs: 2,
    })
    expect(many.choices.map(choice => choice.message.content)).toEqual([
      'echo: one two three four',
      'echo: one two three four (2)',
    ])
    expect(many.choices[0]!.logprobs!.content![0]!.top_logprobs).toHaveLength(2)
    const thought = await client.chat.completions.create({ model: 'o3', messages, reasoning_effort: 'low' })
    expect(thought.usage!.completion_tokens_details!.reasoning_tokens).toBe(6)
    const short = await client.chat.completions.create({ model: 'gpt-4o', messages, max_tokens: 2 })
    expect(short.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'echo: one' } })
    const stopped = await client.chat.completions.create({ model: 'gpt-4o', messages, stop: [' three'] })
    expect(stopped.choices[0]!.message.content).toBe('echo: one two')
  })

  it('serves completions, embeddings and models', async () => {
    const completion = await client.completions.create({ model: 'gpt-3.5-turbo-instruct', prompt: 'ab' })
    expect(completion.choices[0]!.text).toBe('echo: ab')
    const vectors = await client.embeddings.create({
      model: 'text-embedding-3-small',
      input: ['a', 'b'],
      dimensions: 4,
    })
    const plain = await client.embeddings.create({
      model: 'text-embedding-3-small',
      input: 'b',
      dimensions: 4,
      encoding_format: 'float',
    })
    expect(vectors.data).toHaveLength(2)
    expect(vectors.data[1]!.embedding).toEqual(plain.data[0]!.embedding)
    expect((await client.models.list()).data.map(model => model.id)).toContain('gpt-4o')
  })

  it.each([
    [
      'an unknown top-level argument',
      { thinking: { type: 'enabled' } },
      /Unrecognized request argument supplied: thinking/,
    ],
    [
      'cache_control in a part',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x', cache_control: {} }] }] },
      /Unknown parameter: 'messages\[0\].content\[0\].cache_control'/,
    ],
    [
      'thinking_blocks in a message',
      {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', content: 'y', thinking_blocks: [] },
        ],
      },
      /thinking_blocks/,
    ],
    ['an unknown role', { messages: [{ role: 'model', content: 'x' }] }, /Invalid value: 'model'/],
    [
      'an orphan tool result',
      { messages: [{ role: 'tool', tool_call_id: 'a', content: 'x' }] },
      /must be a response to a preceeding message/,
    ],
    [
      'an unanswered tool call',
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }] },
          { role: 'user', content: 'x' },
        ],
      },
      /did not have response messages: c1/,
    ],
    ['max_tokens on a reasoning model', { model: 'o3', max_tokens: 5 }, /max_completion_tokens/],
    ['tool_choice without tools', { tool_choice: 'auto' }, /only allowed when 'tools'/],
    ['stream options without stream', { stream_options: { include_usage: true } }, /only allowed when 'stream'/],
    [
      'an open strict schema',
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', strict: true, schema: { type: 'object', properties: { a: {} } } },
        },
      },
      /additionalProperties/,
    ],
    ['a temperature above 2', { temperature: 3 }, /Expected a value <= 2/],
  ])('refuses %s', async (_, change, message) => {
    const request = { model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }], ...change }
    const error = await client.chat.completions.create(request as never).then(
      () => undefined,
      failure => failure,
    )
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error.message).toMatch(message)
    expect(upstream.requests[0]!.rejected).toMatch(message)
  })

  it('refuses a wrong key and an unknown model with the SDK error classes', async () => {
    const wrong = new OpenAI({ apiKey: 'sk-other', baseURL: `${upstream.url}/v1`, maxRetries: 0 })
    const request = { model: 'missing-model', messages: [{ role: 'user' as const, content: 'x' }] }
    await expect(wrong.chat.completions.create(request)).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    await expect(client.chat.completions.create(request)).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
  })
})

describe('azure-openai wire through the official SDK', () => {
  const messages = [{ role: 'user' as const, content: 'hi' }]

  it('serves deployments with the api-key header and filter results', async () => {
    const answer = await azure.chat.completions.create({ model: 'gpt-4o', messages })
    expect(answer.choices[0]!.message.content).toBe('echo: hi')
    expect(answer).toHaveProperty('prompt_filter_results')
    expect(upstream.requests[0]).toMatchObject({
      wire: 'azure-openai',
      path: '/openai/deployments/gpt-4o/chat/completions',
    })
  })

  it('starts a stream with a chunk without choices', async () => {
    const chunks = []
    for await (const chunk of await azure.chat.completions.create({ model: 'gpt-4o', messages, stream: true }))
      chunks.push(chunk)
    expect(chunks[0]!.choices).toEqual([])
    expect(chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('')).toBe('echo: hi')
  })

  it('refuses a filtered prompt, a missing deployment and an old version', async () => {
    await expect(azure.chat.completions.create({ model: 'gpt-4o@filter=prompt', messages })).rejects.toMatchObject({
      status: 400,
      code: 'content_filter',
    })
    await expect(azure.chat.completions.create({ model: 'missing', messages })).rejects.toMatchObject({
      status: 404,
      code: 'DeploymentNotFound',
    })
    const old = new AzureOpenAI({ apiKey: 'sk-test', endpoint: upstream.url, apiVersion: '2024-02-01', maxRetries: 0 })
    const streamed = { model: 'gpt-4o', messages, stream: true as const, stream_options: { include_usage: true } }
    await expect(old.chat.completions.create(streamed)).rejects.toThrow(/stream_options/)
  })

  it('serves /openai/v1 with the model in the body', async () => {
    const response = await fetch(`${upstream.url}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { 'api-key': 'sk-test', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages }),
    })
    expect(response.status).toBe(200)
    expect(upstream.requests[0]!.wire).toBe('azure-openai')
  })
})
