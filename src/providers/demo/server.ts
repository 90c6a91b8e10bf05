import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from '../../platform/node-http.ts'
import type { ChatChunk, ChatRequest, Delta, FinishReason, Usage } from '../../translate/openai/types.ts'
import { countChatTokens, countTokens } from '../../translate/token-count.ts'
import { type DemoAnswer, demoAnswer } from './answer.ts'

/**
 * The built-in demo models: a small server on loopback that speaks the OpenAI wire and answers without any vendor, word
 * by word, at a pace the deployment sets. The gateway reaches it like any other upstream, through the outbound door.
 */
export interface DemoServer {
  readonly origin: string
  close(): Promise<void>
}

const defaultPace = 50
const maxBody = 64 * 1024 * 1024
const dimensions = 64
/** Demo answers carry no clock, so that the same request gives the same bytes. */
const created = 1_700_000_000

export async function startDemoServer(): Promise<DemoServer> {
  const server: Server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 60_000
  // `exclusive`: in a worker process the port would otherwise be the fleet's, announced as if it were the gateway's.
  const own = { port: 0, host: '127.0.0.1', exclusive: true }
  await new Promise<void>(resolve => server.listen(own, resolve))
  const { port } = server.address() as { port: number }
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = ''
  request.setEncoding('utf8')
  for await (const chunk of request) {
    text += chunk
    if (text.length > maxBody) return send(response, 413, { error: { message: 'body too large' } })
  }
  const body = JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>
  if (request.url?.endsWith('/chat/completions')) return chat(request, response, body as unknown as ChatRequest)
  if (request.url?.endsWith('/embeddings')) return send(response, 200, embeddings(body))
  return send(response, 404, {
    error: { message: 'the demo serves chat completions and embeddings', code: 'not_found' },
  })
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function usageOf(request: ChatRequest, answer: DemoAnswer): Usage {
  const prompt = countChatTokens(request as unknown as Record<string, unknown>)
  const reasoning = countTokens(answer.reasoning.join(''))
  const spoken =
    countTokens(answer.words.join('')) + countTokens(answer.toolCalls.map(call => call.function.arguments).join(''))
  return {
    prompt_tokens: prompt,
    completion_tokens: spoken + reasoning,
    total_tokens: prompt + spoken + reasoning,
    ...(reasoning > 0 ? { completion_tokens_details: { reasoning_tokens: reasoning } } : {}),
  }
}

async function chat(http: IncomingMessage, response: ServerResponse, request: ChatRequest): Promise<void> {
  const answer = demoAnswer(request)
  const usage = usageOf(request, answer)
  const pace = Number(http.headers['x-demo-words-per-second'] ?? defaultPace)
  const pause = pace > 0 ? 1000 / pace : 0
  const id = 'chatcmpl-demo'
  if (request.stream !== true) {
    const message = {
      role: 'assistant',
      content: answer.toolCalls.length > 0 ? null : answer.words.join(''),
      ...(answer.reasoning.length > 0 ? { reasoning_content: answer.reasoning.join('') } : {}),
      ...(answer.toolCalls.length > 0 ? { tool_calls: answer.toolCalls } : {}),
    }
    const choices = [{ index: 0, message, finish_reason: answer.finish, logprobs: null }]
    return send(response, 200, { id, object: 'chat.completion', created, model: request.model, choices, usage })
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const emit = (delta: Delta, finish: FinishReason | null = null): void => {
    const choices = [{ index: 0, delta, finish_reason: finish }]
    event(response, { id, object: 'chat.completion.chunk', created, model: request.model, choices })
  }
  const speak = async (word: string, field: 'content' | 'reasoning_content'): Promise<void> => {
    if (pause > 0) await sleep(pause)
    if (!response.destroyed) emit({ [field]: word })
  }
  emit({ role: 'assistant', content: '' })
  for (const word of answer.reasoning) await speak(word, 'reasoning_content')
  for (const word of answer.words) await speak(word, 'content')
  answer.toolCalls.forEach((call, index) => {
    emit({
      tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.function.name, arguments: '' } }],
    })
    emit({ tool_calls: [{ index, function: { arguments: call.function.arguments } }] })
  })
  emit({}, answer.finish)
  if (request.stream_options?.include_usage === true) {
    event(response, { id, object: 'chat.completion.chunk', created, model: request.model, choices: [], usage })
  }
  response.end('data: [DONE]\n\n')
}

function event(response: ServerResponse, chunk: ChatChunk): void {
  response.write(`data: ${JSON.stringify(chunk)}\n\n`)
}

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

/** Hashed bag of words, unit length: texts that share words lie close together. */
function embeddings(body: Record<string, unknown>): object {
  const inputs = (Array.isArray(body['input']) ? body['input'] : [body['input']]).map(String)
  const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0)
  return {
    object: 'list',
    model: body['model'],
    data: inputs.map((input, index) => ({ object: 'embedding', index, embedding: encode(vectorOf(input), body) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

function encode(vector: Float32Array, body: Record<string, unknown>): number[] | string {
  return body['encoding_format'] === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector]
}

function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const word of text.toLowerCase().match(/\p{L}+|\p{N}+/gu) ?? []) {
    let hash = 2166136261
    for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 16777619)
    const slot = (hash >>> 0) % dimensions
    vector[slot] = (vector[slot] ?? 0) + (hash & 0x10000 ? 1 : -1)
  }
  const length = Math.hypot(...vector) || 1
  return vector.map(value => value / length)
}
