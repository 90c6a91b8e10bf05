import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, it } from 'vitest'
import type { ChatChunk, ChunkChoice, Delta } from '../openai/types.ts'
import { AnthropicStreamEncoder } from './encode-stream.ts'

const head = { id: 'chatcmpl-7', object: 'chat.completion.chunk' as const, created: 1, model: 'gpt-x' }
const says = (delta: Delta, finish: ChunkChoice['finish_reason'] = null): ChatChunk => ({
  ...head,
  choices: [{ index: 0, delta, finish_reason: finish }],
})
const usage: ChatChunk = {
  ...head,
  choices: [],
  usage: {
    prompt_tokens: 30,
    completion_tokens: 9,
    total_tokens: 39,
    prompt_tokens_details: { cached_tokens: 20 },
    completion_tokens_details: { reasoning_tokens: 4 },
  },
}
const call = (index: number, args: string, start?: { id: string; name?: string }): Delta => ({
  tool_calls: [
    {
      index,
      ...(start === undefined ? {} : { id: start.id, type: 'function' }),
      function: { ...(start?.name === undefined ? {} : { name: start.name }), arguments: args },
    },
  ],
})

function encode(chunks: readonly ChatChunk[], request: Record<string, unknown> = { model: 'group' }): string {
  const encoder = new AnthropicStreamEncoder(request, 'call-1')
  return chunks.map(chunk => encoder.push(chunk)).join('') + encoder.end()
}

/** Types of the events in order, content blocks with their index. */
const outline = (sse: string): string[] =>
  [...sse.matchAll(/^data: (.*)$/gm)].map(([, data]) => {
    const event = JSON.parse(data ?? '') as { type: string; index?: number }
    return event.index === undefined ? event.type : `${event.type} ${event.index}`
  })

/** What the official SDK makes of a stream. */
function readBySdk(sse: string) {
  const client = new Anthropic({
    apiKey: 'none',
    maxRetries: 0,
    fetch: async () => new Response(sse, { headers: { 'content-type': 'text/event-stream' } }),
  })
  return client.messages
    .stream({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'x' }] })
    .finalMessage()
}

describe('AnthropicStreamEncoder', () => {
  it('is understood by the official SDK', async () => {
    const sse = encode([
      says({ role: 'assistant', content: '' }),
      says({ reasoning_content: 'Hm', thinking_blocks: [{ type: 'thinking', thinking: 'Hm' }] }),
      says({ reasoning_content: '.', thinking_blocks: [{ type: 'thinking', thinking: '.' }] }),
      says({ thinking_blocks: [{ type: 'thinking', thinking: '', signature: 'c2ln' }] }),
      says({ thinking_blocks: [{ type: 'redacted_thinking', data: 'Emw=' }] }),
      says({ content: 'Let me ' }),
      says({ content: 'look.' }),
      says(call(0, '', { id: 'call_1', name: 'weather' })),
      says(call(0, '{"city":')),
      says(call(0, '"Oslo"}')),
      says(call(1, '{}', { id: 'functions.time:1', name: 'time' })),
      says({}, 'tool_calls'),
      usage,
    ])
    const message = await readBySdk(sse)
    expect(message.content.map(block => ({ ...block }))).toEqual([
      { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
      { type: 'redacted_thinking', data: 'Emw=' },
      { type: 'text', text: 'Let me look.', citations: null },
      { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Oslo' } },
      { type: 'tool_use', id: 'functions_time_1', name: 'time', input: {} },
    ])
    expect(message).toMatchObject({ id: 'msg_7', model: 'gpt-x', role: 'assistant', stop_reason: 'tool_use' })
    expect(message.usage).toMatchObject({
      input_tokens: 10,
      cache_read_input_tokens: 20,
      output_tokens: 9,
      output_tokens_details: { thinking_tokens: 4 },
    })
  })

  it('opens and closes blocks in strict order', () => {
    const sse = encode([says({ reasoning_content: 'a' }), says({ content: 'b' }), says({ content: 'c' }, 'length')])
    expect(outline(sse)).toEqual([
      'message_start',
      'content_block_start 0',
      'content_block_delta 0',
      'content_block_stop 0',
      'content_block_start 1',
      'content_block_delta 1',
      'content_block_delta 1',
      'content_block_stop 1',
      'message_delta',
      'message_stop',
    ])
    expect(sse).toContain('"stop_reason":"max_tokens"')
  })

  it('waits for a name that comes late, and keeps text that comes inside a call', async () => {
    const sse = encode([
      says(call(0, '{"a"', { id: 'c1' })),
      says(call(0, '', { id: 'c1', name: 'f' })),
      says({ content: 'meanwhile' }),
      says(call(0, ':1}')),
      says({}, 'stop'),
    ])
    const message = await readBySdk(sse)
    expect(message.content.map(block => ({ ...block }))).toEqual([
      { type: 'tool_use', id: 'c1', name: 'f', input: { a: 1 } },
      { type: 'text', text: 'meanwhile', citations: null },
    ])
    // The vendor said `stop`; an agent has to be told that there is a call.
    expect(message.stop_reason).toBe('tool_use')
  })

  it('does not repeat thinking that arrives once more with its signature', () => {
    const sse = encode([
      says({ reasoning_content: 'ab' }),
      says({ thinking_blocks: [{ type: 'thinking', thinking: 'ab', signature: 's' }] }),
    ])
    expect(sse.match(/thinking_delta/g)).toHaveLength(1)
    expect(sse).toContain('"signature_delta","signature":"s"')
  })

  it('replays server tools and citations of an Anthropic answer', async () => {
    const citation = { type: 'web_search_result_location', url: 'u', title: 't', encrypted_index: 'x', cited_text: 'b' }
    const search = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } }
    const sse = encode([
      says({ provider_specific_fields: { anthropic_content: [search] } }),
      says({ provider_specific_fields: { citation } }),
      says({ content: 'b' }),
      says({}, 'stop'),
    ])
    const message = await readBySdk(sse)
    expect(message.content.map(block => ({ ...block }))).toEqual([
      search,
      { type: 'text', text: 'b', citations: [citation] },
    ])
  })

  it('replays a whole answer from its original blocks, once', async () => {
    const blocks = [
      { type: 'thinking', thinking: 'c', signature: 's' },
      { type: 'text', text: 'a' },
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
      { type: 'text', text: 'b', citations: [{ type: 'char_location', cited_text: 'b' }] },
      { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: 1 } },
    ]
    const message = await readBySdk(
      encode([says({ content: 'ab', provider_specific_fields: { anthropic_content: blocks } }), says({}, 'stop')]),
    )
    expect(message.content.map(block => ({ ...block }))).toEqual(blocks)
  })

  it('tells the stop sequence, the refusal and the legacy call', () => {
    const stopped = says({ content: 'a' }, 'stop')
    const [choice] = stopped.choices
    const fields = { native_finish_reason: 'stop_sequence', stop_sequence: 'END' }
    const sse = encode([{ ...stopped, choices: [{ ...choice!, provider_specific_fields: fields }] }])
    expect(sse).toContain('"stop_reason":"stop_sequence","stop_sequence":"END"')
    expect(encode([says({ refusal: 'No.' }, 'content_filter')])).toContain('"stop_reason":"refusal"')
    const legacy = encode([says({ function_call: { name: 'f', arguments: '{}' } }, 'function_call')])
    expect(legacy).toContain('"name":"f"')
    expect(legacy).toContain('"stop_reason":"tool_use"')
  })

  it('leaves further choices out and ends an empty answer properly', () => {
    const other: ChatChunk = { ...head, choices: [{ index: 1, delta: { content: 'other' }, finish_reason: 'stop' }] }
    expect(encode([other])).not.toContain('other')
    expect(outline(encode([]))).toEqual(['message_start', 'message_delta', 'message_stop'])
    expect(encode([])).toContain('"id":"msg_call-1"')
    expect(encode([])).toContain('"model":"group"')
  })
})
