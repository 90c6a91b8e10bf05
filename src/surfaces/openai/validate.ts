import { GatewayError } from '../../platform/errors/gateway-error.ts'

type Body = Readonly<Record<string, unknown>>

const missing = (param: string, what: string) =>
  new GatewayError('missing_field', `'${param}' is required: ${what}.`, { param })
const wrong = (param: string, what: string) =>
  new GatewayError('invalid_request', `'${param}' must be ${what}.`, { param })

const roles = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function'])

/** What a chat request must have for any vendor; the rest is the vendor's to judge. */
export function validateChat(body: Body): void {
  checkCommon(body)
  const { messages } = body
  if (messages === undefined || messages === null) throw missing('messages', 'the conversation so far, as a list')
  if (!Array.isArray(messages)) throw wrong('messages', 'a list')
  if (messages.length === 0) throw wrong('messages', 'a list with at least one message')
  for (let i = 0; i < messages.length; i++) checkMessage(messages[i] as unknown, i)
  if (body['tools'] !== undefined && body['tools'] !== null && !Array.isArray(body['tools']))
    throw wrong('tools', 'a list')
}

function checkMessage(message: unknown, index: number): void {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw wrong(`messages[${index}]`, 'an object with role and content')
  }
  const { role, content } = message as { role?: unknown; content?: unknown }
  if (role === undefined) throw missing(`messages[${index}].role`, 'system, developer, user, assistant or tool')
  if (typeof role !== 'string' || !roles.has(role)) {
    throw wrong(`messages[${index}].role`, 'system, developer, user, assistant or tool')
  }
  if (content !== undefined && content !== null && typeof content !== 'string' && !Array.isArray(content)) {
    throw wrong(`messages[${index}].content`, 'text or a list of content parts')
  }
}

export function validateCompletion(body: Body): void {
  checkCommon(body)
  const { prompt } = body
  if (prompt === undefined || prompt === null) throw missing('prompt', 'the text to complete')
  if (typeof prompt !== 'string' && !Array.isArray(prompt)) throw wrong('prompt', 'text or a list')
}

export function validateEmbedding(body: Body): void {
  const { input } = body
  if (input === undefined || input === null) throw missing('input', 'the text to embed, or a list of texts')
  if (typeof input !== 'string' && !Array.isArray(input)) throw wrong('input', 'text or a list')
  if (input.length === 0) throw wrong('input', 'not empty')
  checkModel(body)
}

function checkCommon(body: Body): void {
  const { stream, stream_options: options } = body
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') throw wrong('stream', 'true or false')
  if (options !== undefined && options !== null && (typeof options !== 'object' || Array.isArray(options))) {
    throw wrong('stream_options', 'an object')
  }
  checkModel(body)
}

function checkModel(body: Body): void {
  const { model } = body
  if (model !== undefined && model !== null && typeof model !== 'string') throw wrong('model', 'text')
}
