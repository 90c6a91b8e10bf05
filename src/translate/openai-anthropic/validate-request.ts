/** What every Messages request must have, whichever model answers it. Worded and pathed as Anthropic does. */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { isObject } from './types.ts'

type Body = Readonly<Record<string, unknown>>

export const required = (param: string): GatewayError =>
  new GatewayError('missing_field', `${param}: Field required`, { param })

export const invalid = (param: string, what: string): GatewayError =>
  new GatewayError('invalid_request', `${param}: ${what}`, { param })

export function validateMessages(body: Body): void {
  const { max_tokens: limit, stream } = body
  if (limit === undefined || limit === null) throw required('max_tokens')
  // 0 fills the prompt cache without answering.
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 0) {
    throw invalid('max_tokens', 'Input should be a valid integer greater than or equal to 0')
  }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    throw invalid('stream', 'Input should be a valid boolean')
  }
  validateCommon(body)
}

export const validateCountTokens = (body: Body): void => validateCommon(body)

function validateCommon(body: Body): void {
  const { model, messages, system, tools } = body
  if (model === undefined || model === null) throw required('model')
  if (typeof model !== 'string' || model === '') throw invalid('model', 'Input should be a non-empty string')
  if (messages === undefined || messages === null) throw required('messages')
  if (!Array.isArray(messages)) throw invalid('messages', 'Input should be a valid list')
  if (messages.length === 0) throw invalid('messages', 'at least one message is required')
  for (let i = 0; i < messages.length; i++) validateMessage(messages[i] as unknown, i)
  if (system !== undefined && system !== null && typeof system !== 'string') {
    if (!Array.isArray(system)) throw invalid('system', 'Input should be a string or a list of text blocks')
    validateBlocks(system, 'system')
  }
  if (tools === undefined || tools === null) return
  if (!Array.isArray(tools)) throw invalid('tools', 'Input should be a valid list')
  for (let i = 0; i < tools.length; i++) {
    if (!isObject(tools[i])) throw invalid(`tools.${i}`, 'Input should be an object')
  }
}

function validateMessage(message: unknown, index: number): void {
  const param = `messages.${index}`
  if (!isObject(message)) throw invalid(param, 'Input should be an object with role and content')
  const { role, content } = message
  if (role === undefined) throw required(`${param}.role`)
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    throw invalid(`${param}.role`, "Input should be 'user', 'assistant' or 'system'")
  }
  if (content === undefined || content === null) throw required(`${param}.content`)
  if (typeof content === 'string') return
  if (!Array.isArray(content)) throw invalid(`${param}.content`, 'Input should be a string or a list of content blocks')
  validateBlocks(content, `${param}.content`)
}

function validateBlocks(blocks: readonly unknown[], param: string): void {
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]
    if (!isObject(block)) throw invalid(`${param}.${i}`, 'Input should be an object')
    if (typeof block['type'] !== 'string') throw required(`${param}.${i}.type`)
  }
}
