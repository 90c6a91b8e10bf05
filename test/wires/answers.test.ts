import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chat, chatStream, contentOf, message, type StreamAnswer, send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { at, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
beforeEach(() => world.upstream.reset())
afterAll(() => world.close())

const streamed = (answer: StreamAnswer): void => {
  expect([answer.status, answer.end]).toEqual([200, 'clean'])
  expect(answer.headers['content-type']).toContain('text/event-stream')
}
const types = (answer: StreamAnswer): unknown[] => answer.events.map(event => at(event.json, 'type'))

describe('an upstream that answers a streamed call in one piece', () => {
  beforeEach(() => {
    world.upstream.fault(() => true, 'no_stream')
  })

  it.each(['openai', 'claude'])('is replayed as chat chunks: %s', async model => {
    const answer = await chatStream(world.gateway, model, 'hi', { stream_options: { include_usage: true } })
    streamed(answer)
    expect(contentOf(answer)).toBe('echo: hi')
    expect(at(answer.events.at(-2)?.json, 'usage', 'completion_tokens')).toBe(2)
    expect(answer.events.at(-1)?.data).toBe('[DONE]')
    for (const event of answer.events.slice(0, -1)) expect(at(event.json, 'service_tier')).toBe('default')
    if (model === 'openai') expect(at(answer.events[0]?.json, 'system_fingerprint')).toBe('fp_upstream')
    world.accepted()
  })

  it.each(['claude', 'openai'])('is replayed as Anthropic events: %s', async model => {
    const answer = await message(world.gateway, model, 'hi', { stream: true })
    streamed(answer)
    expect(types(answer)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(at(answer.events[2]?.json, 'delta', 'text')).toBe('echo: hi')
    expect(at(answer.events[4]?.json, 'usage', 'output_tokens')).toBe(2)
    world.accepted()
  })

  it('keeps thinking, its signature, tool calls and the stop sequence', async () => {
    const tools = [{ name: 'look', input_schema: { type: 'object', properties: { at: { type: 'string' } } } }]
    const called = await message(world.gateway, 'claude', 'call:look{"at":"sky"}', {
      stream: true,
      tools,
      thinking: { type: 'enabled', budget_tokens: 1024 },
      max_tokens: 2048,
    })
    const deltas = called.events.map(event => at(event.json, 'delta', 'type')).filter(Boolean)
    expect(deltas).toEqual(['thinking_delta', 'signature_delta', 'input_json_delta'])
    expect(at(called.events.at(-2)?.json, 'delta', 'stop_reason')).toBe('tool_use')
    const stopped = await message(world.gateway, 'claude', 'a STOP b', { stream: true, stop_sequences: ['STOP'] })
    expect(at(stopped.events.at(-2)?.json, 'delta')).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'STOP',
    })
    // Through the hub: the vendor's own words come with the finish.
    const hub = await chatStream(world.gateway, 'claude', 'a STOP b', { stop: ['STOP'] })
    const finish = hub.events.find(event => at(event.json, 'choices', 0, 'finish_reason') === 'stop')
    expect(at(finish?.json, 'choices', 0, 'provider_specific_fields', 'stop_sequence')).toBe('STOP')
    world.accepted()
  })

  it.each([true, false])('is replayed as completion events, usage asked for: %s', async include_usage => {
    const answer = await send(`${world.gateway.url}/v1/completions`, {
      headers: { authorization: `Bearer ${world.gateway.key}` },
      body: { model: 'instruct', prompt: 'hi', stream: true, stream_options: { include_usage } },
    })
    streamed(answer)
    expect(answer.events.map(event => at(event.json, 'choices', 0, 'text')).join('')).toBe('echo: hi')
    expect(answer.events.filter(event => at(event.json, 'usage') !== undefined)).toHaveLength(include_usage ? 1 : 0)
    expect(answer.events.at(-1)?.data).toBe('[DONE]')
    world.accepted()
  })
})

describe('an event that breaks off behind the first content', () => {
  it.each(['openai', 'claude', 'gemini'])('becomes an error in the stream of a chat: %s', async model => {
    world.upstream.fault(() => true, 'malformed=6,chunks=12')
    const answer = await chatStream(world.gateway, model, 'hi')
    expect([answer.status, answer.end]).toEqual([200, 'clean'])
    for (const event of answer.events) if (event.data !== '[DONE]') expect(event.json, event.data).toBeDefined()
    expect(contentOf(answer)).toMatch(/^echo:/)
    expect(at(answer.events.at(-2)?.json, 'error', 'type')).toBe('server_error')
    world.accepted()
  })

  it('becomes an error event of a relayed message', async () => {
    world.upstream.fault(() => true, 'malformed=6,chunks=12')
    const answer = await message(world.gateway, 'claude', 'hi', { stream: true })
    expect(answer.events.every(event => event.json !== undefined)).toBe(true)
    expect(answer.events.at(-1)).toMatchObject({ event: 'error', json: { error: { type: 'api_error' } } })
    world.accepted()
  })
})

describe('the price of the tier that served', () => {
  const costOf = async (answer: StreamAnswer): Promise<unknown> => {
    const headers = { authorization: `Bearer ${world.gateway.key}` }
    const url = `${world.gateway.url}/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`
    return at((await send(url, { headers })).json, 'cost')
  }
  // gpt-5 costs $1.25 and $10 per million tokens, twice that as `priority`. The upstream answers as `default`.
  const base = (input: number, output: number): number => Number(((input * 1.25 + output * 10) / 1e6).toFixed(9))

  it.each(['priority', 'flex', 'auto', undefined])('is billed, not the one asked for: %s', async tier => {
    const asked: Json = tier === undefined ? {} : { service_tier: tier }
    const answer = await chat(world.gateway, 'reasoner', 'one two', asked)
    expect(at(world.body(), 'service_tier')).toBe(tier)
    expect(Number(answer.headers['x-litellm-response-cost'])).toBe(base(2, 3))
    expect(at(await costOf(answer), 'lines', 0, 'ratePico')).toBe(1_250_000)
    const stream = await chatStream(world.gateway, 'reasoner', 'one two', asked)
    expect(at(await costOf(stream), 'lines', 0, 'ratePico')).toBe(1_250_000)
    const translated = await message(world.gateway, 'reasoner', 'one two', { ...asked, stream: true })
    expect(at(await costOf(translated), 'lines', 0, 'ratePico')).toBe(1_250_000)
    world.accepted()
  })
})
