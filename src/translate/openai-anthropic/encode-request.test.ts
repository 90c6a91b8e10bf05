import { describe, expect, it } from 'vitest'
import type { ChatMessage, ChatRequest } from '../openai/types.ts'
import { type EncodeOptions, encodeRequest } from './encode-request.ts'
import { closeSchema } from './schema.ts'
import { ToolNames } from './tool-names.ts'
import type { Block } from './types.ts'

const options: EncodeOptions = {
  model: 'claude-sonnet-4-5',
  capabilities: {},
  dropParams: false,
  additionalDropParams: [],
  allowedOpenaiParams: [],
  modifyParams: false,
}
const user: ChatMessage = { role: 'user', content: 'Hi' }
const encode = (over: object, with_: Partial<EncodeOptions> = {}) =>
  encodeRequest({ model: 'm', messages: [user], ...over } as ChatRequest, { ...options, ...with_ })
const body = (over: object, with_: Partial<EncodeOptions> = {}) => encode(over, with_).body
const failureOf = (over: object, with_: Partial<EncodeOptions> = {}): unknown => {
  try {
    encode(over, with_)
  } catch (error) {
    return error
  }
  return undefined
}
const tool = (name: string, more: object = {}) => ({ type: 'function', function: { name, ...more } })
const calling = (args: unknown, id = 'c1') => ({
  role: 'assistant',
  tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: args } }],
})

describe('what Anthropic has no word for', () => {
  it.each([
    ['n', 2],
    ['seed', 1],
    ['logprobs', true],
    ['top_logprobs', 2],
    ['frequency_penalty', 0.1],
    ['presence_penalty', -1],
    ['logit_bias', { 1: 1 }],
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'a', format: 'mp3' }],
    ['prediction', {}],
    ['verbosity', 'low'],
    ['service_tier', 'flex'],
    ['reasoning_effort', 'max'],
  ])('%s is refused, dropped under drop_params', (field, value) => {
    expect(failureOf({ [field]: value })).toMatchObject({ code: 'unsupported_params', param: field })
    const dropped = encode({ [field]: value }, { dropParams: true })
    expect(dropped.droppedParams).toEqual([field])
    expect(dropped.body).not.toHaveProperty(field)
  })

  it.each([
    ['n', 1],
    ['frequency_penalty', 0],
    ['logprobs', false],
    ['modalities', ['text']],
    ['logit_bias', {}],
    ['store', false],
    ['seed', null],
  ])('%s = %j means what happens anyway', (field, value) => {
    expect(body({ [field]: value })).not.toHaveProperty(field)
  })

  it('goes through when the configuration says so', () => {
    expect(body({ seed: 3 }, { allowedOpenaiParams: ['seed'] })).toMatchObject({ seed: 3 })
  })

  it('is taken out by path', () => {
    const request = { tools: [tool('f', { strict: true, parameters: { type: 'object' } })], seed: 1 }
    const sent = encode(request, {
      additionalDropParams: ['seed', 'tools[*].function.parameters', 'nothing.here'],
    })
    expect(sent.body.tools).toEqual([{ name: 'f', input_schema: { type: 'object', properties: {} } }])
    expect(sent.droppedParams).toEqual(['seed', 'tools[*].function.parameters'])
    expect(request.tools[0]?.function).toHaveProperty('parameters')
  })
})

describe('lengths and sampling', () => {
  it.each([
    [{}, {}, 4096],
    [{}, { maxOutputTokens: 64_000 }, 64_000],
    [{ max_tokens: 10.6 }, {}, 11],
    [{ max_tokens: 0 }, {}, 1],
    [{ max_tokens: 5, max_completion_tokens: 7 }, {}, 7],
    [{ max_tokens: 500, reasoning_effort: 'high' }, {}, 4596],
    [{ max_tokens: 5000, reasoning_effort: 'high' }, {}, 5000],
    [{ max_tokens: 500, reasoning_effort: 'high' }, { maxOutputTokens: 4200 }, 4200],
    [{ thinking: { type: 'enabled', budget_tokens: 8000 } }, {}, 12_096],
    [{ max_tokens: 100, thinking: { type: 'enabled', budget_tokens: 8000 } }, {}, 100],
  ])('%j with %j: %i tokens', (request, capabilities, expected) => {
    expect(body(request, { capabilities }).max_tokens).toBe(expected)
  })

  it('clamps the temperature, and refuses it next to thinking', () => {
    expect(body({ temperature: 2 }).temperature).toBe(1)
    expect(body({ temperature: -1 }).temperature).toBe(0)
    expect(failureOf({ temperature: 0.2, reasoning_effort: 'low' })).toMatchObject({ param: 'temperature' })
    expect(body({ temperature: 1, top_p: 0.95, reasoning_effort: 'low' })).not.toHaveProperty('temperature')
    expect(failureOf({ top_k: 5 }, { capabilities: { samplingParams: false } })).toMatchObject({ param: 'top_k' })
    expect(failureOf({ temperature: 'warm' })).toMatchObject({ code: 'invalid_request', param: 'temperature' })
  })

  it('keeps temperature and top_p unless drop_params allows to take one', () => {
    expect(body({ temperature: 0.5, top_p: 0.5 })).toMatchObject({ temperature: 0.5, top_p: 0.5 })
    expect(encode({ temperature: 0.5, top_p: 0.5 }, { dropParams: true }).droppedParams).toEqual(['top_p'])
  })

  it('drops blank stop sequences only under drop_params', () => {
    expect(body({ stop: ['\n', 'a'] }).stop_sequences).toEqual(['\n', 'a'])
    expect(body({ stop: ['\n', 'a'] }, { dropParams: true }).stop_sequences).toEqual(['a'])
    expect(body({ stop: '\n' }, { dropParams: true })).not.toHaveProperty('stop_sequences')
  })

  it.each(['a@b.example', '+47 123 45 678', ''])('does not pass %j on as a user id', value => {
    expect(body({ user: value })).not.toHaveProperty('metadata')
  })
})

describe('reasoning', () => {
  const adaptive = { adaptiveThinking: true }
  it.each([
    ['none', {}, undefined, undefined],
    ['none', adaptive, { type: 'disabled' }, undefined],
    ['none', { ...adaptive, thinkingAlwaysOn: true }, undefined, undefined],
    ['minimal', {}, { type: 'enabled', budget_tokens: 1024 }, undefined],
    ['high', adaptive, { type: 'adaptive' }, 'high'],
    ['xhigh', { ...adaptive, efforts: ['xhigh'] }, { type: 'adaptive' }, 'xhigh'],
  ])('%s on %j', (reasoning_effort, capabilities, thinking, effort) => {
    const sent = body({ reasoning_effort, max_tokens: 9000 }, { capabilities })
    expect(sent.thinking).toEqual(thinking)
    expect(sent.output_config?.effort).toBe(effort)
  })

  it('sends both a budget and an effort to the one model that takes both', () => {
    const sent = body({ reasoning_effort: 'low' }, { model: 'claude-opus-4-5' })
    expect(sent).toMatchObject({ thinking: { budget_tokens: 1024 }, output_config: { effort: 'low' } })
  })

  it('refuses words nobody knows and models that do not think', () => {
    expect(failureOf({ reasoning_effort: 'lots' })).toMatchObject({ code: 'invalid_request' })
    expect(failureOf({ reasoning_effort: 'low' }, { capabilities: { reasoning: false } })).toMatchObject({
      code: 'unsupported_params',
    })
    expect(failureOf({ reasoning_effort: 'low' }, { capabilities: { effortLevels: ['high'] } })).toMatchObject({
      code: 'unsupported_params',
    })
  })

  it('turns thinking off under modify_params when the turn being answered has none', () => {
    const request = {
      reasoning_effort: 'low',
      messages: [user, calling('{}'), { role: 'tool', tool_call_id: 'c1', content: 'x' }],
    }
    expect(body(request)).toHaveProperty('thinking')
    expect(body(request, { modifyParams: true })).not.toHaveProperty('thinking')
  })
})

describe('messages', () => {
  const blocks = (message: object, i = 0): unknown =>
    body({ messages: [user, message, { role: 'user', content: 'go on' }] }).messages[i + 1]?.content

  it.each([
    ['', {}],
    ['  ', {}],
    [undefined, {}],
    ['null', {}],
    [{ a: 1 }, { a: 1 }],
    ['{"a":[1]}', { a: [1] }],
  ])('arguments %j become %j', (args, input) => {
    expect(blocks(calling(args))).toEqual([{ type: 'tool_use', id: 'c1', name: 'f', input }])
  })

  it.each(['{"a":', '[1]', '"x"', '3'])('arguments %j are an error', args => {
    expect(failureOf({ messages: [user, calling(args)] })).toMatchObject({
      code: 'invalid_request',
      param: 'messages[1].tool_calls[0].function.arguments',
    })
  })

  it('sends one of two calls with the same id', () => {
    const [call] = calling('{}').tool_calls
    expect(blocks({ role: 'assistant', tool_calls: [call, call] })).toHaveLength(1)
  })

  it.each(['gemini#c2ln', ''])('leaves out thinking with the signature %j, which another vendor gave', signature => {
    const foreign = { type: 'thinking', thinking: 'x', signature }
    const own = { type: 'thinking', thinking: 'y', signature: 'EqQB+/=' }
    const message = { role: 'assistant', content: 'a', reasoning_content: 'xy', thinking_blocks: [foreign, own] }
    expect(blocks(message)).toEqual([own, { type: 'text', text: 'a' }])
    expect(blocks({ role: 'assistant', content: [foreign, { type: 'text', text: 'a' }] })).toEqual([
      { type: 'text', text: 'a' },
    ])
  })

  it('keeps a thread whose order came from Anthropic, and falls back when the text was changed', () => {
    const original: Block[] = [
      { type: 'thinking', thinking: 'a', signature: 's1' },
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
      { type: 'text', text: 'Hel', citations: [{ type: 'char_location' }] },
      { type: 'thinking', thinking: 'b', signature: 's2' },
      { type: 'text', text: 'lo' },
    ]
    const message = (content: string) => ({
      role: 'assistant',
      content,
      thinking_blocks: [original[0], original[3]],
      provider_specific_fields: { anthropic_content: original },
    })
    expect(blocks(message('Hello'))).toEqual(original)
    expect(blocks(message('Bye'))).toEqual([original[0], original[3], original[1], { type: 'text', text: 'Bye' }])
  })

  it('refuses what a Claude model cannot hear or see', () => {
    const audio = { type: 'input_audio', input_audio: { data: '', format: 'wav' } }
    expect(failureOf({ messages: [{ role: 'user', content: [audio] }] })).toMatchObject({
      param: 'messages[0].content[0]',
    })
    expect(failureOf({ messages: [{ role: 'judge', content: 'x' }] })).toMatchObject({ param: 'messages[0].role' })
    expect(failureOf({ messages: [{ role: 'tool', content: 'x' }] })).toMatchObject({
      param: 'messages[0].tool_call_id',
    })
  })

  it('needs a message, or leave to make one up', () => {
    expect(failureOf({ messages: [{ role: 'system', content: 'x' }] })).toMatchObject({ param: 'messages' })
    expect(body({ messages: [] }, { modifyParams: true }).messages).toHaveLength(1)
  })

  it('passes an orphan result on without modify_params, so that the vendor answers', () => {
    const messages = [user, { role: 'tool', tool_call_id: 'gone', content: 'x' }]
    expect(body({ messages }).messages[0]?.content).toHaveLength(2)
    expect(body({ messages }, { modifyParams: true }).messages[0]?.content).toEqual([{ type: 'text', text: 'Hi' }])
  })

  it('keeps the newest cache marks within the limit under modify_params', () => {
    const marked = (content: string) => ({ role: 'user', content, cache_control: { type: 'ephemeral' } })
    const messages = [{ ...marked('s'), role: 'system' }, ...['1', '2', '3', '4', '5'].map(marked)]
    const marks = (sent: { messages: { content: unknown }[] }) =>
      (sent.messages[0]!.content as { text: string; cache_control?: unknown }[])
        .filter(block => block.cache_control !== undefined)
        .map(block => block.text)
    expect(marks(body({ messages }))).toEqual(['1', '2', '3', '4', '5'])
    expect(marks(body({ messages }, { modifyParams: true }))).toEqual(['3', '4', '5'])
  })

  it('lets the caller change neither model nor stream through extra_body', () => {
    expect(body({ extra_body: { model: 'opus', stream: true, top_k: 1 } })).toMatchObject({
      model: 'claude-sonnet-4-5',
      top_k: 1,
    })
    expect(body({ extra_body: { stream: true } })).not.toHaveProperty('stream')
  })
})

describe('tools', () => {
  it('names are legal, unique and restored', () => {
    const long = 'x'.repeat(200)
    const names = new ToolNames(['a.b', 'a:b', 'a_b', long, ''])
    const wire = ['a.b', 'a:b', 'a_b', long, ''].map(name => names.wire(name))
    expect(wire).toEqual(['a_b_2', 'a_b_3', 'a_b', 'x'.repeat(128), 'tool'])
    expect(wire.map(name => names.original(name))).toEqual(['a.b', 'a:b', 'a_b', long, ''])
    expect(names.wire('a.b')).toBe('a_b_2')
    expect(names.original('never seen')).toBe('never seen')
  })

  it('sends strict only to models that decode under constraint', () => {
    const tools = [tool('f', { strict: true, parameters: { type: 'object', properties: { n: { minimum: 1 } } } })]
    expect(body({ tools }).tools?.[0]).not.toHaveProperty('strict')
    const strict = body({ tools }, { capabilities: { nativeStructuredOutput: true } }).tools?.[0]
    expect(strict).toMatchObject({ strict: true, input_schema: { additionalProperties: false } })
  })

  it.each([
    ['none', true, { type: 'none' }],
    ['auto', false, { type: 'auto', disable_parallel_tool_use: true }],
    [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
    [undefined, true, undefined],
    [{ type: 'tool', name: 'f' }, true, { type: 'tool', name: 'f' }],
  ])('choice %j, parallel %j: %j', (tool_choice, parallel_tool_calls, expected) => {
    expect(body({ tools: [tool('f')], tool_choice, parallel_tool_calls }).tool_choice).toEqual(expected)
    expect(body({ tool_choice, parallel_tool_calls })).not.toHaveProperty('tool_choice')
  })

  it('narrows the list for allowed_tools', () => {
    const tool_choice = { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [tool('g.1')] } }
    const sent = body({ tools: [tool('f'), tool('g.1')], tool_choice })
    expect(sent.tools?.map(entry => entry.name)).toEqual(['g_1'])
    expect(sent.tool_choice).toEqual({ type: 'any' })
  })

  it('accepts the flat form of Anthropic and refuses free-form custom tools', () => {
    const flat = { name: 'f', description: 'd', input_schema: { type: 'object' }, defer_loading: true }
    expect(body({ tools: [flat] }).tools).toEqual([flat])
    expect(failureOf({ tools: [{ type: 'custom', custom: { name: 'f' } }] })).toMatchObject({ param: 'tools[0]' })
    expect(failureOf({ tools: [tool('f'), { type: 'function' }] })).toMatchObject({
      code: 'missing_field',
      param: 'tools[1]',
    })
  })

  it('the JSON tool gives way to a tool of the caller with its name', () => {
    const sent = encode({ tools: [tool('json_tool_call')], response_format: { type: 'json_object' } })
    expect(sent.body.tools?.map(entry => entry.name)).toEqual(['json_tool_call', 'json_tool_call_2'])
    expect(sent.reply.json?.tool.name).toBe('json_tool_call_2')
  })
})

describe('closeSchema', () => {
  it('keeps a property called __proto__ and joins alternatives', () => {
    const schema = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string","maxLength":3}}}') as object
    const closed = closeSchema({ ...schema, anyOf: [{ type: 'null' }], oneOf: [{ const: 1 }] }, 'p')
    expect(JSON.stringify(closed['properties'])).toBe('{"__proto__":{"type":"string","description":"{maxLength: 3}"}}')
    expect(closed).toMatchObject({ anyOf: [{ type: 'null' }], allOf: [{ anyOf: [{ const: 1 }] }] })
  })

  it('refuses bottomless nesting instead of running out of stack', () => {
    let schema: Record<string, unknown> = {}
    for (let i = 0; i < 5000; i++) schema = { items: schema }
    expect(() => closeSchema(schema, 'response_format')).toThrow('nested deeper')
  })
})
