import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, it } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { eventsOfMessage } from './replay-message.ts'

const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude',
  container: { id: 'c1', expires_at: 'soon' },
  content: [
    { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'xx' },
    { type: 'text', text: 'Sunny', citations: [{ type: 'char_location', cited_text: 'sun' }] },
    { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'q' } },
    { type: 'web_search_tool_result', tool_use_id: 's1', content: [{ type: 'web_search_result', url: 'u' }] },
    { type: 'tool_use', id: 't1', name: 'f', input: { a: [1, { b: 'é' }] } },
    { type: 'tool_use', id: 't2', name: 'g', input: {} },
  ],
  stop_reason: 'stop_sequence',
  stop_sequence: 'END',
  stop_details: { type: 'x' },
  usage: { input_tokens: 3, output_tokens: 9, cache_read_input_tokens: 2, service_tier: 'priority' },
}

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

describe('eventsOfMessage', () => {
  it('gives events that the official SDK reads as the same message', async () => {
    const { parsed_output: _own, ...read } = (await readBySdk(
      eventsOfMessage(message),
    )) as unknown as typeof message & {
      parsed_output?: unknown
    }
    expect(JSON.parse(JSON.stringify(read))).toEqual(message)
  })

  it('ends a message without usage or reason', async () => {
    const read = await readBySdk(eventsOfMessage({ id: 'msg_2', content: [{ type: 'text', text: 'a' }] }))
    expect(read).toMatchObject({ stop_reason: 'end_turn', usage: { output_tokens: 0 }, content: [{ text: 'a' }] })
  })

  it.each([null, [], {}, { content: 'text' }])('refuses %j', body => {
    expect(() => eventsOfMessage(body)).toThrow(UpstreamFailure)
  })
})
