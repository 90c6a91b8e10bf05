import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chat, message, send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { at, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
beforeEach(() => world.upstream.reset())
afterAll(() => world.close())

const dropped = 'x-routeiq-dropped-params'
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const hosted = [{ type: 'code_execution_20250522', name: 'code_execution' }]
const tool = { name: 'look', description: 'd', input_schema: { type: 'object', properties: {} } }

describe('fields only Anthropic knows, on another wire', () => {
  it.each(['openai', 'azure', 'gemini'])('are refused by name for %s', async model => {
    const answer = await message(world.gateway, model, 'hi', { tools: hosted })
    expect([answer.status, at(answer.json, 'error', 'type')]).toEqual([400, 'invalid_request_error'])
    expect(at(answer.json, 'error', 'message')).toMatch(/tools\.0.*code_execution.*drop_params/)
    expect(world.accepted()).toHaveLength(0)
  })

  it.each([
    ['by the deployment', 'azure-drops', {}],
    ['by the call', 'openai', { drop_params: true }],
    ['by the call, for a Gemini model', 'gemini', { drop_params: true }],
  ])('are left out when allowed %s, and named', async (_how, model, extra) => {
    const answer = await message(world.gateway, model, 'hi', {
      tools: [...hosted, tool],
      mcp_servers: [{ type: 'url', url: 'https://x.test', name: 'x' }],
      context_management: {},
      ...extra,
    })
    expect([answer.status, at(answer.json, 'content', 0, 'text')]).toEqual([200, 'echo: hi'])
    expect(String(answer.headers[dropped]).split(',')).toEqual(
      expect.arrayContaining(['tools.0', 'mcp_servers', 'context_management']),
    )
    expect(world.body()).not.toHaveProperty('mcp_servers')
    expect(JSON.stringify(world.body())).not.toContain('code_execution')
  })

  it('are refused when the call forbids what the deployment allows', async () => {
    const answer = await message(world.gateway, 'azure-drops', 'hi', { tools: hosted, drop_params: false })
    expect(answer.status).toBe(400)
  })

  it('do not keep tokens from being counted', async () => {
    const answer = await send(`${world.gateway.url}/v1/messages/count_tokens`, {
      headers: { 'x-api-key': world.gateway.key, 'anthropic-version': '2023-06-01' },
      body: { model: 'openai', messages: [{ role: 'user', content: 'hi there' }], tools: [...hosted, tool] },
    })
    expect(answer.status, answer.text).toBe(200)
    expect(at(answer.json, 'input_tokens')).toBeGreaterThan(2)
  })
})

describe('fields OpenAI does not know, from an Anthropic caller', () => {
  it.each(['openai-host', 'azure'])('top_k is refused by name for %s', async model => {
    const answer = await message(world.gateway, model, 'hi', { top_k: 5 })
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
    expect(at(answer.json, 'error', 'message')).toContain('top_k')
    expect(world.accepted()).toHaveLength(0)
  })

  it('top_k is left out under drop_params', async () => {
    const answer = await message(world.gateway, 'azure-drops', 'hi', { top_k: 5 })
    expect([answer.status, answer.headers[dropped]]).toEqual([200, 'top_k'])
    expect(world.body()).not.toHaveProperty('top_k')
  })
})

it('lets a call drop what an Anthropic model does not know', async () => {
  const refused = await chat(world.gateway, 'claude', 'hi', { seed: 1 })
  expect([refused.status, at(refused.json, 'error', 'param')]).toEqual([400, 'seed'])
  const answer = await chat(world.gateway, 'claude', 'hi', { seed: 1, drop_params: true })
  expect([answer.status, answer.headers[dropped]]).toEqual([200, 'seed'])
  world.accepted()
})

it('leaves suffix and best_of out of a completion that a chat model answers', async () => {
  const completion = (model: string) =>
    send(`${world.gateway.url}/v1/completions`, {
      headers: { authorization: `Bearer ${world.gateway.key}` },
      body: { model, prompt: 'hi', suffix: 'end', best_of: 2, max_tokens: 50 },
    })
  const refused = await completion('claude')
  expect([refused.status, at(refused.json, 'error', 'param')]).toEqual([400, 'suffix'])
  const answer = await completion('claude-drops')
  expect([answer.status, answer.headers[dropped]]).toEqual([200, 'suffix,best_of'])
  expect(at(answer.json, 'choices', 0, 'text')).toBe('echo: hi')
  world.accepted()
})

describe('a conversation that began elsewhere', () => {
  it.each(['openai', 'azure'])('keeps the images of Anthropic tool results on %s', async model => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }
    const use = (id: string) => ({ type: 'tool_use', id, name: 'look', input: {} })
    const answer = await message(
      world.gateway,
      model,
      [
        { role: 'user', content: 'look' },
        { role: 'assistant', content: [use('toolu_1'), use('toolu_2')] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'seen' }, image] },
            { type: 'tool_result', tool_use_id: 'toolu_2', content: [image] },
            { type: 'text', text: 'what is it?' },
          ],
        },
      ],
      { tools: [tool] },
    )
    expect([answer.status, at(answer.json, 'content', 0, 'text')]).toEqual([200, 'echo: what is it?'])
    const messages = world.body()['messages'] as Json[]
    expect(messages.map(entry => entry['role'])).toEqual(['user', 'assistant', 'tool', 'tool', 'user', 'user'])
    const images = (messages[4]!['content'] as Json[]).filter(part => part['type'] === 'image_url')
    expect(images.map(part => at(part, 'image_url', 'url'))).toEqual(Array(2).fill(`data:image/png;base64,${pixel}`))
  })

  it.each(['openai', 'azure'])('hashes the long user id of an agent for %s, and keeps a short one', async model => {
    const id = `user_${'0123456789abcdef'.repeat(4)}_account__session_1`
    expect((await message(world.gateway, model, 'hi', { metadata: { user_id: id } })).status).toBe(200)
    expect(world.body()['user']).toMatch(/^[0-9a-f]{64}$/)
    expect((await chat(world.gateway, model, 'hi', { user: id })).status).toBe(200)
    expect(world.body()['user']).toBe(at(world.upstream.requests[0]?.body, 'user'))
    expect((await chat(world.gateway, model, 'hi', { user: 'u-1' })).status).toBe(200)
    expect(world.body()['user']).toBe('u-1')
  })

  it.each(['openai', 'azure', 'claude'])('carries a tool call of Gemini to %s', async model => {
    const tools = [{ type: 'function', function: { name: 'look', parameters: tool.input_schema } }]
    const question = { role: 'user', content: 'call:look' }
    const first = await chat(world.gateway, 'gemini', [question], { tools })
    const turn = at(first.json, 'choices', 0, 'message') as Json
    const id = String(at(turn, 'tool_calls', 0, 'id'))
    expect(id).toContain('__sig')
    // What a plain client keeps of the call.
    const kept = { role: 'assistant', content: null, tool_calls: [{ ...(at(turn, 'tool_calls', 0) as Json) }] }
    const call = kept.tool_calls[0] as Json
    delete call['provider_specific_fields']
    delete call['extra_content']
    const history = [question, kept, { role: 'tool', tool_call_id: id, content: 'a cat' }]
    const answer = await chat(world.gateway, model, history, { tools })
    expect([answer.status, at(answer.json, 'choices', 0, 'message', 'content')]).toEqual([200, 'tool said: a cat'])
    if (model !== 'claude') {
      const sent = String(at(world.body(), 'messages', 2, 'tool_call_id'))
      expect(sent).toBe(at(world.body(), 'messages', 1, 'tool_calls', 0, 'id'))
      expect(sent.length).toBeLessThanOrEqual(40)
      expect(sent).not.toContain('__sig')
    }
    world.accepted()
  })

  it.each([
    ['chat', 'thinking_blocks'],
    ['chat', 'content'],
    ['messages', 'content'],
  ])('leaves foreign thinking out for Anthropic: %s, in %s', async (door, field) => {
    const foreign = { type: 'thinking', thinking: 'hm', signature: 'gemini#c2ln' }
    const said = { type: 'text', text: 'yes' }
    const turn =
      field === 'content'
        ? { role: 'assistant', content: [foreign, said] }
        : { role: 'assistant', content: 'yes', reasoning_content: 'hm', thinking_blocks: [foreign] }
    const history = [{ role: 'user', content: 'a' }, turn, { role: 'user', content: 'b' }]
    const answer =
      door === 'chat' ? await chat(world.gateway, 'claude', history) : await message(world.gateway, 'claude', history)
    expect(answer.status, answer.text).toBe(200)
    expect(JSON.stringify(world.body())).not.toContain('gemini#')
    expect(at(world.body(), 'messages', 1, 'content')).toEqual([said])
  })
})

it.each([
  [4096, 'high'],
  [2048, 'medium'],
  [1024, 'low'],
  [100, 'low'],
])('asks a model that knows effort words only for a budget of %i tokens as %s', async (budget, effort) => {
  const thinking = { type: 'enabled', budget_tokens: budget }
  const answer = await message(world.gateway, 'reasoner', 'hi', { thinking, max_tokens: 5000 })
  expect(answer.status, answer.text).toBe(200)
  expect(world.body()).toMatchObject({ reasoning_effort: effort, max_completion_tokens: 5000 })
})
