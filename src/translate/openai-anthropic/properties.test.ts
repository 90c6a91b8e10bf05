import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChatRequest } from '../openai/types.ts'
import { SseParser } from '../sse.ts'
import { decodeResponse } from './decode-response.ts'
import { AnthropicStreamDecoder } from './decode-stream.ts'
import { type EncodeOptions, encodeRequest } from './encode-request.ts'
import { AnthropicStreamEncoder } from './encode-stream.ts'
import { chatRequestOfMessages } from './request-to-hub.ts'
import { messageOfChatResponse } from './response-from-hub.ts'
import type { Block, Message, MessagesRequest } from './types.ts'
import { validateMessages } from './validate-request.ts'

const options: EncodeOptions = {
  model: 'claude-sonnet-4-5',
  capabilities: { nativeStructuredOutput: true },
  dropParams: true,
  additionalDropParams: ['messages[*].name'],
  allowedOpenaiParams: [],
  modifyParams: false,
}

const failure = (type: string, message: string) => new UpstreamFailure('internal_server', `${type}: ${message}`)
const replyOf = (request: object) => ({
  reply: encodeRequest({ messages: [{ role: 'user', content: 'x' }], ...request } as ChatRequest, options).reply,
  created: 1,
  failure,
})

/** Any JSON, with the words of both dialects likely as keys and values, so that generated trees reach deep code. */
const words = [
  ...['type', 'text', 'role', 'content', 'user', 'assistant', 'system', 'tool', 'tool_use', 'tool_result', 'thinking'],
  ...['signature', 'input', 'name', 'id', 'tool_use_id', 'tool_calls', 'function', 'arguments', 'image_url', 'url'],
  ...['file', 'file_data', 'file_id', 'document', 'source', 'data', 'base64', 'media_type', 'json_schema', 'schema'],
  ...['response_format', 'tools', 'tool_choice', 'stop', 'stop_reason', 'usage', 'delta', 'content_block', 'message'],
  ...['thinking_blocks', 'cache_control', 'citations', 'text_delta', 'input_json_delta', 'partial_json', 'properties'],
  ...[
    'provider_specific_fields',
    'anthropic_content',
    'reasoning_effort',
    'metadata',
    'user_id',
    'custom',
    '__proto__',
  ],
  ...['content_block_start', 'content_block_delta', 'content_block_stop', 'message_start', 'message_delta', 'error'],
]
const word = fc.constantFrom(...words)
const { tree } = fc.letrec(tie => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(word, fc.string({ maxLength: 6 }), fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(word, tie('tree'), { maxKeys: 6 }),
  ),
}))

function onlyGatewayErrors(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
  }
}

const object = fc.dictionary(word, tree, { maxKeys: 8 })
const message = fc.record(
  { role: fc.constantFrom('user', 'assistant', 'system', 'tool', 'function'), content: tree, tool_calls: tree },
  { requiredKeys: ['role'] },
)

describe('arbitrary JSON never ends in anything but an error of the catalogue', () => {
  it('Messages requests', () => {
    const body = fc.record(
      {
        model: fc.constant('m'),
        max_tokens: fc.constant(1),
        messages: fc.array(message, { minLength: 1 }),
        rest: object,
      },
      { requiredKeys: ['model', 'messages'] },
    )
    fc.assert(
      fc.property(body, ({ rest, ...known }) => {
        onlyGatewayErrors(() => validateMessages({ ...rest, ...known }))
        onlyGatewayErrors(() => {
          const hub = chatRequestOfMessages({ ...rest, ...known }, { dropParams: true })
          JSON.stringify(encodeRequest(hub, options).body)
        })
      }),
      { numRuns: 1500 },
    )
  })

  it('hub requests', () => {
    fc.assert(
      fc.property(fc.array(message), object, fc.boolean(), (messages, rest, modifyParams) => {
        const request = { model: 'm', ...rest, messages } as unknown as ChatRequest
        onlyGatewayErrors(() => JSON.stringify(encodeRequest(request, { ...options, modifyParams }).body))
      }),
      { numRuns: 1500 },
    )
  })

  it('answers and events', () => {
    const answer = fc.oneof(tree, fc.record({ content: fc.array(object), usage: tree, stop_reason: tree }))
    const event = fc.oneof(tree, fc.record({ type: word, delta: object, content_block: object, message: object }))
    const reply = replyOf({ response_format: { type: 'json_object' } })
    fc.assert(
      fc.property(answer, fc.array(event), (body, events) => {
        onlyGatewayErrors(() => messageOfChatResponse(decodeResponse(body, reply), {}))
        onlyGatewayErrors(() => {
          const decoder = new AnthropicStreamDecoder(reply)
          const encoder = new AnthropicStreamEncoder({}, 'id')
          const out: ChatChunk[] = []
          for (const data of events) decoder.push({ event: '', data: JSON.stringify(data) }, out)
          for (const chunk of out) encoder.push(chunk)
          encoder.end()
        })
      }),
      { numRuns: 1500 },
    )
  })
})

const jsonCopy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const text = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter(value => value.trim() !== '')
const id = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/)
const input = fc
  .dictionary(
    fc.string({ maxLength: 5 }).filter(key => key !== '__proto__'),
    fc.jsonValue({ maxDepth: 1 }),
  )
  // -0 is no JSON.
  .map(value => jsonCopy(value))
const textBlock = fc.record({ type: fc.constant('text' as const), text })
const thinkingBlock = fc.oneof(
  fc.record({
    type: fc.constant('thinking' as const),
    thinking: fc.string(),
    signature: fc.base64String({ minLength: 4 }),
  }),
  fc.record({ type: fc.constant('redacted_thinking' as const), data: fc.base64String() }),
)

/** An assistant turn with calls, and the user turn that answers them. */
const exchange = fc
  .record({
    thinking: fc.array(thinkingBlock, { maxLength: 2 }),
    said: fc.array(textBlock, { maxLength: 2 }),
    search: fc.boolean(),
    calls: fc.uniqueArray(fc.record({ id, name: id, input }), { maxLength: 3, selector: call => call.id }),
    reply: textBlock,
    failed: fc.boolean(),
  })
  .filter(({ said, calls }) => said.length + calls.length > 0)
  .map(({ thinking, said, search, calls, reply, failed }) => {
    const searched: Block[] = search
      ? [
          { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } },
          { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
        ]
      : []
    const uses = calls.map(call => ({ type: 'tool_use' as const, ...call }))
    const results = calls.map(call => ({
      type: 'tool_result' as const,
      tool_use_id: call.id,
      content: 'done',
      ...(failed ? { is_error: true } : {}),
    }))
    return [
      { role: 'assistant' as const, content: [...thinking, ...searched, ...said, ...uses] as Block[] },
      { role: 'user' as const, content: [...results, reply] as Block[] },
    ]
  })

describe('Anthropic → hub → Anthropic', () => {
  it('keeps text, tools, thinking and server tools', () => {
    fc.assert(
      fc.property(fc.array(exchange, { minLength: 1, maxLength: 3 }), text, (turns, system) => {
        const request: MessagesRequest = {
          model: 'm',
          max_tokens: 100,
          system: [{ type: 'text', text: system, cache_control: { type: 'ephemeral' } }],
          messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }, ...turns.flat()],
          tools: [{ name: 'a', description: 'd', input_schema: { type: 'object', properties: {} } }],
          tool_choice: { type: 'any', disable_parallel_tool_use: true },
          stop_sequences: ['x'],
          metadata: { user_id: 'u-1' },
          temperature: 0.5,
          top_k: 3,
        }
        const hub = chatRequestOfMessages(jsonCopy(request))
        expect(encodeRequest(hub, options).body).toEqual({ ...request, model: options.model })
      }),
    )
  })

  it('prefers a rewritten text over the original block', () => {
    const body = {
      model: 'm',
      max_tokens: 1,
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Ann' } }],
        },
        { role: 'assistant', content: [{ type: 'text', text: 'Ann' }] },
        { role: 'user', content: 'Ann' },
      ],
    }
    const hub = chatRequestOfMessages(body)
    const masked = hub.messages.map(entry => ({
      ...entry,
      content: Array.isArray(entry.content) ? entry.content.map(part => ({ ...part, text: '[NAME]' })) : '[NAME]',
    }))
    const sent = JSON.stringify(encodeRequest({ ...hub, messages: masked as never }, options).body)
    expect(sent).not.toContain('Ann')
    expect(JSON.stringify(encodeRequest(hub, options).body)).toContain('"document"')
  })
})

function decodeAll(bytes: Buffer, cut: readonly number[], request: object): ChatChunk[] {
  const decoder = new AnthropicStreamDecoder(replyOf(request))
  const parser = new SseParser()
  const out: ChatChunk[] = []
  let from = 0
  for (const to of [...cut, bytes.length]) {
    parser.push(bytes.subarray(from, to), event => decoder.push(event, out))
    from = to
  }
  parser.end(event => decoder.push(event, out))
  decoder.end(out)
  return out
}

/** The message a client puts together from chunks. */
function assemble(chunks: readonly ChatChunk[]): object {
  let content = ''
  let reasoning = ''
  const thinking: unknown[] = []
  let open = ''
  const calls: { id?: string | undefined; name?: string | undefined; args: string }[] = []
  let finish: unknown
  let usage: unknown
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage
    const [choice] = chunk.choices
    if (choice === undefined) continue
    content += choice.delta.content ?? ''
    reasoning += choice.delta.reasoning_content ?? ''
    for (const block of choice.delta.thinking_blocks ?? []) {
      if (block.type === 'redacted_thinking') thinking.push(block.data)
      else {
        open += block.thinking
        if (block.signature === undefined) continue
        thinking.push([open, block.signature])
        open = ''
      }
    }
    for (const call of choice.delta.tool_calls ?? []) {
      calls[call.index] ??= { args: '' }
      const known = calls[call.index]!
      if (call.id !== undefined) Object.assign(known, { id: call.id, name: call.function?.name })
      known.args += call.function?.arguments ?? ''
    }
    finish = choice.finish_reason ?? finish
  }
  return { content, reasoning, thinking, calls, finish, usage }
}

describe('streams', () => {
  const root = new URL('../../providers/anthropic/fixtures/streams/', import.meta.url)
  const names = readdirSync(root)
    .filter(name => name.endsWith('.txt'))
    .map(name => name.slice(0, -4))
    .filter(name => !['cut-off', 'overloaded-mid-stream'].includes(name))

  it.each(names)('%s: the same at every byte boundary', name => {
    const bytes = readFileSync(new URL(`${name}.txt`, root))
    const { request } = JSON.parse(readFileSync(new URL(`${name}.json`, root), 'utf8')) as { request: object }
    const whole = decodeAll(bytes, [], request)
    for (let at = 1; at < bytes.length; at++) expect(decodeAll(bytes, [at], request)).toEqual(whole)
  })

  it('hub → Anthropic → hub is the same message', () => {
    const turn = fc.record({
      thoughts: fc.array(
        fc.record({
          pieces: fc.array(text, { minLength: 1, maxLength: 3 }),
          signature: fc.base64String({ minLength: 4 }),
        }),
        { maxLength: 2 },
      ),
      said: fc.array(text, { maxLength: 4 }),
      calls: fc.uniqueArray(fc.record({ id, name: id, input }), { maxLength: 3, selector: call => call.id }),
      cut: fc.integer({ min: 1, max: 6 }),
      usage: fc.record({ prompt: fc.nat(5000), completion: fc.nat(5000), cached: fc.nat(100), written: fc.nat(100) }),
    })
    fc.assert(
      fc.property(turn, ({ thoughts, said, calls, cut, usage }) => {
        const head = { id: 'msg_1', object: 'chat.completion.chunk' as const, created: 1, model: 'm' }
        const one = (delta: object): ChatChunk => ({ ...head, choices: [{ index: 0, delta, finish_reason: null }] })
        const finish = calls.length > 0 ? ('tool_calls' as const) : ('stop' as const)
        const chunks: ChatChunk[] = [one({ role: 'assistant', content: '' })]
        for (const { pieces, signature } of thoughts) {
          for (const piece of pieces) {
            chunks.push(one({ reasoning_content: piece, thinking_blocks: [{ type: 'thinking', thinking: piece }] }))
          }
          chunks.push(one({ thinking_blocks: [{ type: 'thinking', thinking: '', signature }] }))
        }
        for (const piece of said) chunks.push(one({ content: piece }))
        calls.forEach((call, index) => {
          const args = JSON.stringify(call.input)
          const start = { index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }
          chunks.push(one({ tool_calls: [start] }))
          for (let at = 0; at < args.length; at += cut) {
            chunks.push(one({ tool_calls: [{ index, function: { arguments: args.slice(at, at + cut) } }] }))
          }
        })
        chunks.push({ ...head, choices: [{ index: 0, delta: {}, finish_reason: finish }] })
        const prompt = usage.prompt + usage.cached + usage.written
        chunks.push({
          ...head,
          choices: [],
          usage: {
            prompt_tokens: prompt,
            completion_tokens: usage.completion,
            total_tokens: prompt + usage.completion,
            prompt_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.written },
            cache_creation_input_tokens: usage.written,
            cache_read_input_tokens: usage.cached,
          },
        })
        const encoder = new AnthropicStreamEncoder({}, 'call')
        const sse = chunks.map(chunk => encoder.push(chunk)).join('') + encoder.end()
        expect(assemble(decodeAll(Buffer.from(sse), [], {}))).toEqual(assemble(chunks))
      }),
    )
  })

  it('interleaved tool calls come out one after the other', () => {
    const call = fc.record({ name: id, input })
    const order = fc.infiniteStream(fc.nat())
    fc.assert(
      fc.property(fc.array(call, { minLength: 2, maxLength: 4 }), order, (calls, picks) => {
        const rest = calls.map(({ input: value }) => JSON.stringify(value).match(/.{1,3}/gsu) ?? [])
        const encoder = new AnthropicStreamEncoder({}, 'call')
        let sse = ''
        const push = (delta: object) => {
          const base = { id: 'x', object: 'chat.completion.chunk' as const, created: 1, model: 'm' }
          sse += encoder.push({ ...base, choices: [{ index: 0, delta, finish_reason: null }] })
        }
        for (const [index, { name }] of calls.entries())
          push({ tool_calls: [{ index, id: `c${index}`, function: { name } }] })
        while (rest.some(pieces => pieces.length > 0)) {
          const open = rest.map((pieces, i) => (pieces.length > 0 ? i : -1)).filter(i => i >= 0)
          const index = open[(picks.next().value as number) % open.length] ?? 0
          push({ tool_calls: [{ index, function: { arguments: rest[index]?.shift() ?? '' } }] })
        }
        sse += encoder.end()
        const read = assemble(decodeAll(Buffer.from(sse), [], {})) as { calls: { args: string; name: string }[] }
        expect(read.calls.map(({ name, args }) => ({ name, input: JSON.parse(args) as unknown }))).toEqual(
          jsonCopy(calls),
        )
      }),
    )
  })
})

describe('answers', () => {
  it('hub → Anthropic keeps what Anthropic → hub read', () => {
    const content = exchange.map(([assistant]) => assistant?.content as Block[])
    fc.assert(
      fc.property(content, blocks => {
        const message: Message = {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: jsonCopy(blocks),
          stop_reason: blocks.some(block => block.type === 'tool_use') ? 'tool_use' : 'end_turn',
          stop_sequence: null,
          usage: { input_tokens: 3, output_tokens: 4, cache_creation_input_tokens: 2, cache_read_input_tokens: 1 },
        }
        const back = messageOfChatResponse(decodeResponse(message, replyOf({})), {})
        const textOf = (list: Block[]) => list.map(block => ('text' in block ? block.text : '')).join('')
        const others = (list: Block[]) => list.filter(block => block.type !== 'text')
        expect(textOf(back.content)).toBe(textOf(blocks))
        expect(others(back.content)).toEqual(others(jsonCopy(blocks)))
        expect({ ...back, content: 0 }).toEqual({ ...message, content: 0 })
      }),
    )
  })
})
