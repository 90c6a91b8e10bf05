import type { Json } from '../../upstream/types.ts'

/** Well-formed requests of both surfaces: what the fuzzer starts from. */
export interface Sample {
  readonly path: string
  readonly dialect: 'openai' | 'anthropic'
  readonly body: Json
  /** Not accepted as it is: holds what OpenAI does not know. */
  readonly refused?: true
}

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const parameters = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Rome', 'Oslo'] }, days: { type: ['integer', 'null'] } },
  required: ['city', 'days'],
  additionalProperties: false,
}

const chat = (extra: Json, messages: Json[] = [{ role: 'user', content: 'hello' }]): Sample => ({
  path: '/v1/chat/completions',
  dialect: 'openai',
  body: { messages, ...extra },
})

const message = (extra: Json, messages: Json[] = [{ role: 'user', content: 'hello' }]): Sample => ({
  path: '/v1/messages',
  dialect: 'anthropic',
  body: { max_tokens: 64, messages, ...extra },
})

export const corpus: readonly Sample[] = [
  chat({ temperature: 0.5, max_tokens: 50, stop: ['\n'], user: 'u' }),
  chat({ stream: true, stream_options: { include_usage: true }, n: 1, seed: 7 }),
  chat({
    tools: [{ type: 'function', function: { name: 'weather', description: 'd', parameters, strict: true } }],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    parallel_tool_calls: false,
  }),
  chat(
    { stream: true, tools: [{ type: 'function', function: { name: 'weather', parameters } }], tool_choice: 'auto' },
    [
      { role: 'system', content: 'be short' },
      { role: 'user', content: [{ type: 'text', text: 'call:weather{"city":"Rome"}' }] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'sunny' }] },
      { role: 'assistant', content: 'It is sunny.', refusal: null },
      { role: 'user', content: 'thanks', name: 'Ann' },
    ],
  ),
  chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema: parameters } } }, [
    { role: 'developer', content: 'json' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is this?', cache_control: { type: 'ephemeral' } },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}`, detail: 'low' } },
        { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
        { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
      ],
    },
  ]),
  {
    ...chat({
      functions: [{ name: 'f', parameters }],
      function_call: 'auto',
      reasoning_effort: 'low',
      logprobs: true,
      top_logprobs: 2,
      logit_bias: { '50256': -100 },
      metadata: { a: 'b' },
      extra_body: { x: 1 },
      thinking: { type: 'enabled', budget_tokens: 1024 },
    }),
    refused: true,
  },
  chat({
    num_retries: 0,
    timeout: 20,
    stream_timeout: 20,
    fallbacks: ['m-openai', { model: 'm-gemini', temperature: 0 }],
    disable_fallbacks: false,
    drop_params: true,
    caching: false,
  }),
  {
    path: '/openai/deployments/m-openai/chat/completions?api-version=2024-10-21',
    dialect: 'openai',
    body: { messages: [{ role: 'user', content: 'hi' }] },
  },
  {
    path: '/v1/completions',
    dialect: 'openai',
    body: { prompt: ['once'], max_tokens: 5, echo: false, logprobs: 1, suffix: 'end', best_of: 1 },
  },
  { path: '/v1/completions', dialect: 'openai', body: { prompt: 'once', stream: true } },
  {
    path: '/v1/embeddings',
    dialect: 'openai',
    body: { input: ['a', 'b'], dimensions: 4, encoding_format: 'float', user: 'u' },
  },
  message({
    system: 'be short',
    temperature: 1,
    top_k: 5,
    top_p: 0.9,
    stop_sequences: ['x'],
    metadata: { user_id: 'u' },
  }),
  message({ stream: true, system: [{ type: 'text', text: 's', cache_control: { type: 'ephemeral' } }] }),
  message(
    {
      stream: true,
      tools: [
        { name: 'weather', description: 'd', input_schema: parameters },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 2 },
      ],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      thinking: { type: 'enabled', budget_tokens: 1024 },
      max_tokens: 4096,
    },
    [
      { role: 'user', content: [{ type: 'text', text: 'call:weather{"city":"Oslo"}' }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
          { type: 'redacted_thinking', data: 'AAAA' },
          { type: 'text', text: 'ok', citations: null },
          { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Oslo' } },
        ],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'toolu_1',
            is_error: false,
            content: [
              { type: 'text', text: 'snow' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
            ],
          },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'doc' }, title: 't' },
        ],
      },
    ],
  ),
  {
    path: '/v1/messages/count_tokens',
    dialect: 'anthropic',
    body: {
      messages: [{ role: 'user', content: 'count' }],
      system: 's',
      tools: [{ name: 'f', input_schema: parameters }],
    },
  },
]

/** Groups of the fuzzed gateway: the four wires, and one that always fails. */
export const models = ['m-openai', 'm-azure', 'm-anthropic', 'm-gemini', 'm-refusing'] as const
