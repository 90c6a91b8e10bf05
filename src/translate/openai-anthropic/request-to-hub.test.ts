import { describe, expect, it } from 'vitest'
import { chatRequestOfMessages } from './request-to-hub.ts'
import { validateCountTokens, validateMessages } from './validate-request.ts'

const minimal = { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] }
const hub = (over: object) => chatRequestOfMessages({ ...minimal, ...over })
const messagesOf = (...messages: object[]) => JSON.parse(JSON.stringify(hub({ messages }).messages)) as unknown[]

describe('chatRequestOfMessages', () => {
  it('translates every plain field', () => {
    expect(
      hub({
        system: 'Be brief.',
        stream: true,
        temperature: 0.1,
        top_p: 0.2,
        top_k: 3,
        stop_sequences: ['x'],
        metadata: { user_id: 'u' },
        service_tier: 'standard_only',
        thinking: { type: 'enabled', budget_tokens: 2000 },
        output_config: { effort: 'high' },
        litellm_metadata: { a: 1 },
      }),
    ).toEqual({
      model: 'm',
      max_tokens: 10,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.1,
      top_p: 0.2,
      top_k: 3,
      stop: ['x'],
      user: 'u',
      service_tier: 'default',
      thinking: { type: 'enabled', budget_tokens: 2000 },
      reasoning_effort: 'high',
      litellm_metadata: { a: 1 },
    })
  })

  it('makes tool results messages of their own, before the rest of the turn', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }
    expect(
      messagesOf(
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: 's' },
            { type: 'redacted_thinking', data: 'd' },
            { type: 'text', text: 'I ' },
            { type: 'text', text: 'look' },
            { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
            { type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'And?', cache_control: { type: 'ephemeral' } },
            { type: 'tool_result', tool_use_id: 't1', is_error: true, content: [{ type: 'text', text: 'no' }, image] },
            { type: 'tool_result', tool_use_id: 't2', cache_control: { type: 'ephemeral' } },
          ],
        },
      ),
    ).toEqual([
      {
        role: 'assistant',
        content: 'I look',
        reasoning_content: 'Hm',
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm', signature: 's' },
          { type: 'redacted_thinking', data: 'd' },
        ],
        tool_calls: [{ id: 't1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      {
        role: 'tool',
        tool_call_id: 't1',
        content: [
          { type: 'text', text: 'no' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
        provider_specific_fields: { is_error: true },
      },
      { role: 'tool', tool_call_id: 't2', content: '', cache_control: { type: 'ephemeral' } },
      { role: 'user', content: [{ type: 'text', text: 'And?', cache_control: { type: 'ephemeral' } }] },
    ])
  })

  it('translates media and documents', () => {
    const document = (source: object, title?: string) => ({ type: 'document', source, title })
    expect(
      messagesOf({
        role: 'user',
        content: [
          { type: 'image', source: { type: 'url', url: 'https://e.com/a.png' } },
          document({ type: 'base64', media_type: 'application/pdf', data: 'JVBERi' }),
          document({ type: 'text', media_type: 'text/plain', data: 'body' }, 'Title'),
          document({ type: 'content', content: [{ type: 'text', text: 'one' }] }),
          document({ type: 'file', file_id: 'file_1' }),
          { type: 'search_result', title: 'T', source: 's', content: [{ type: 'text', text: 'found' }] },
        ],
      }),
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://e.com/a.png' } },
          { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi', filename: 'document.pdf' } },
          { type: 'text', text: 'Title\n\nbody' },
          { type: 'text', text: 'one' },
          { type: 'file', file: { file_id: 'file_1' } },
          { type: 'text', text: 'T\ns\n\nfound' },
        ],
      },
    ])
  })

  it.each([
    [{ type: 'auto' }, 'auto', undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, 'required', false],
    [{ type: 'none' }, 'none', undefined],
    [{ type: 'tool', name: 'f' }, { type: 'function', function: { name: 'f' } }, undefined],
  ])('tool choice %j', (tool_choice, expected, parallel) => {
    const request = hub({ tools: [{ name: 'f', input_schema: { type: 'object' } }], tool_choice })
    expect(request.tool_choice).toEqual(expected)
    expect(request.parallel_tool_calls).toBe(parallel)
    expect(request.tools).toEqual([{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }])
  })

  it('turns web search into options and refuses other hosted tools by name', () => {
    const search = {
      type: 'web_search_20250305',
      name: 'web_search',
      max_uses: 5,
      user_location: { type: 'approximate', city: 'Oslo' },
    }
    expect(hub({ tools: [search], tool_choice: { type: 'auto' } })).toEqual({
      ...minimal,
      web_search_options: {
        search_context_size: 'medium',
        user_location: { type: 'approximate', approximate: { city: 'Oslo' } },
      },
    })
    const tools = [{ type: 'code_execution_20250825', name: 'code_execution' }]
    expect(() => hub({ tools })).toThrow(/code_execution.*drop_params/)
    const dropped: string[] = []
    const request = chatRequestOfMessages({ ...minimal, tools, context_management: {} }, { dropParams: true, dropped })
    expect(request).toEqual(minimal)
    expect(dropped).toEqual(['tools.0', 'context_management'])
  })

  it.each([
    [{ type: 'object', properties: { a: {} }, required: ['a'], additionalProperties: false }, true],
    [{ type: 'object', properties: { a: {} }, additionalProperties: false }, undefined],
    [
      {
        type: 'object',
        properties: { a: { type: 'array', items: { type: 'object', properties: { b: {} } } } },
        required: ['a'],
        additionalProperties: false,
      },
      undefined,
    ],
  ])('asks for strict output only of schemas that OpenAI accepts as strict: %j', (schema, strict) => {
    const format = { type: 'json_schema', schema }
    const expected = { type: 'json_schema', json_schema: { name: 'output', schema, ...(strict ? { strict } : {}) } }
    expect(hub({ output_config: { format } }).response_format).toEqual(expected)
    expect(hub({ output_format: format }).response_format).toEqual(expected)
  })
})

describe('validation', () => {
  const { model, max_tokens, messages } = minimal
  it.each([
    [{ max_tokens, messages }, 'model: Field required', 'model', 'missing_field'],
    [{ model, messages }, 'max_tokens: Field required', 'max_tokens', 'missing_field'],
    [{ model, max_tokens }, 'messages: Field required', 'messages', 'missing_field'],
    [{ ...minimal, max_tokens: 1.5 }, 'max_tokens: ', 'max_tokens', 'invalid_request'],
    [{ ...minimal, messages: [] }, 'at least one message', 'messages', 'invalid_request'],
    [{ ...minimal, messages: [{ content: 'x' }] }, 'Field required', 'messages.0.role', 'missing_field'],
    [{ ...minimal, messages: [{ role: 'tool', content: 'x' }] }, 'Input should', 'messages.0.role', 'invalid_request'],
    [{ ...minimal, messages: [{ role: 'user' }] }, 'Field required', 'messages.0.content', 'missing_field'],
    [
      { ...minimal, messages: [{ role: 'user', content: [{}] }] },
      'Field required',
      'messages.0.content.0.type',
      'missing_field',
    ],
    [{ ...minimal, system: 1 }, 'system: ', 'system', 'invalid_request'],
    [{ ...minimal, stream: 'yes' }, 'boolean', 'stream', 'invalid_request'],
    [{ ...minimal, tools: [1] }, 'object', 'tools.0', 'invalid_request'],
  ])('%j', (body, text, param, code) => {
    const thrown = (() => {
      try {
        validateMessages(body)
      } catch (error) {
        return error
      }
      return undefined
    })()
    expect(thrown).toMatchObject({ code, param })
    expect(String(thrown)).toContain(text)
  })

  it('accepts what Anthropic accepts', () => {
    validateMessages({ ...minimal, max_tokens: 0, messages: [{ role: 'system', content: [] }, ...messages] })
    validateCountTokens({ model, messages })
  })

  it.each([
    [{ type: 'text' }, 'messages.0.content.0.text'],
    [{ type: 'image' }, 'messages.0.content.0.source'],
    [{ type: 'image', source: { type: 'base64', media_type: 'image/png' } }, 'messages.0.content.0.source.data'],
    [{ type: 'tool_result' }, 'messages.0.content.0.tool_use_id'],
  ])('names the field inside a block: %j', (block, param) => {
    const run = () => hub({ messages: [{ role: 'user', content: [block] }] })
    expect(run).toThrow(`${param}: Field required`)
  })
})
