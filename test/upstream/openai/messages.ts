import { isJson, type Json } from '../types.ts'
import { allow, checkLength, reject } from './rules.ts'

const roles = ['system', 'assistant', 'user', 'function', 'tool', 'developer']

const messageKeys: Record<string, readonly string[]> = {
  system: ['role', 'content', 'name'],
  developer: ['role', 'content', 'name'],
  user: ['role', 'content', 'name'],
  assistant: ['role', 'content', 'name', 'tool_calls', 'function_call', 'refusal', 'audio', 'annotations'],
  tool: ['role', 'content', 'tool_call_id'],
  function: ['role', 'content', 'name'],
}

const partTypes: Record<string, readonly string[]> = {
  system: ['text'],
  developer: ['text'],
  user: ['text', 'image_url', 'input_audio', 'file'],
  assistant: ['text', 'refusal'],
  tool: ['text'],
  function: ['text'],
}

const partKeys: Record<string, readonly string[]> = {
  text: ['type', 'text', 'prompt_cache_breakpoint'],
  refusal: ['type', 'refusal'],
  image_url: ['type', 'image_url', 'prompt_cache_breakpoint'],
  input_audio: ['type', 'input_audio', 'prompt_cache_breakpoint'],
  file: ['type', 'file', 'prompt_cache_breakpoint'],
}

/**
 * Roles, members, content parts, and the order of tool calls and results.
 * @param like vendors that speak this wire take `reasoning_content` back; OpenAI itself does not know it.
 */
export function checkMessages(messages: unknown, like: boolean): Json[] {
  if (messages === undefined || messages === null) {
    reject("Missing required parameter: 'messages'.", 'messages', 'missing_required_parameter')
  }
  if (!Array.isArray(messages) || messages.length === 0) {
    reject(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      'messages',
      'empty_array',
    )
  }
  let open = new Set<string>()
  let openIndex = 0
  const checked: Json[] = []
  messages.forEach((message: unknown, index) => {
    const path = `messages[${index}]`
    if (!isJson(message)) reject(`Invalid type for '${path}': expected an object.`, path, 'invalid_type')
    checkMessage(message, path, like)
    if (message['role'] === 'tool') {
      const id = message['tool_call_id']
      if (typeof id !== 'string') {
        reject(
          `Missing required parameter: '${path}.tool_call_id'.`,
          `${path}.tool_call_id`,
          'missing_required_parameter',
        )
      }
      if (!open.delete(id)) {
        reject(
          `Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.`,
          `messages.[${index}].role`,
        )
      }
    } else {
      requireAnswered(open, openIndex)
      open = new Set()
    }
    if (message['role'] === 'assistant' && Array.isArray(message['tool_calls'])) {
      open = new Set(message['tool_calls'].filter(isJson).map(call => String(call['id'])))
      openIndex = index
    }
    checked.push(message)
  })
  requireAnswered(open, openIndex)
  return checked
}

function requireAnswered(open: Set<string>, index: number): void {
  if (open.size === 0) return
  reject(
    `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`,
    `messages.[${index + 1}].role`,
  )
}

function checkMessage(message: Json, path: string, like: boolean): void {
  const role = message['role']
  if (typeof role !== 'string' || !roles.includes(role)) {
    reject(
      `Invalid value: '${String(role)}'. Supported values are: ${roles.map(name => `'${name}'`).join(', ')}.`,
      `${path}.role`,
      'invalid_value',
    )
  }
  const keys = messageKeys[role] ?? []
  allow(message, like && role === 'assistant' ? [...keys, 'reasoning_content', 'prefix'] : keys, path)
  checkContent(message, role, path)
  const calls = message['tool_calls']
  if (calls === undefined || calls === null) return
  if (!Array.isArray(calls) || calls.length === 0) {
    reject(
      `Invalid '${path}.tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
      `${path}.tool_calls`,
      'empty_array',
    )
  }
  calls.forEach((call: unknown, at) => {
    checkToolCall(call, `${path}.tool_calls[${at}]`, like)
  })
}

function checkToolCall(call: unknown, path: string, like: boolean): void {
  if (!isJson(call)) reject(`Invalid type for '${path}': expected an object.`, path, 'invalid_type')
  // `index` is a member of stream deltas that clients replay; OpenAI lets it pass.
  allow(call, ['id', 'type', 'function', 'custom', 'index'], path)
  if (typeof call['id'] !== 'string') {
    reject(`Missing required parameter: '${path}.id'.`, `${path}.id`, 'missing_required_parameter')
  }
  if (!like) checkLength(call['id'], 40, `${path}.id`)
  if (call['type'] === 'custom') return
  if (call['type'] !== 'function') {
    reject(`Missing required parameter: '${path}.type'.`, `${path}.type`, 'missing_required_parameter')
  }
  const fn = call['function']
  if (!isJson(fn)) reject(`Missing required parameter: '${path}.function'.`, path, 'missing_required_parameter')
  allow(fn, ['name', 'arguments'], `${path}.function`)
  if (typeof fn['name'] !== 'string' || fn['name'] === '') {
    reject(`Missing required parameter: '${path}.function.name'.`, path, 'missing_required_parameter')
  }
  if (typeof fn['arguments'] !== 'string') {
    reject(
      `Invalid type for '${path}.function.arguments': expected a string, but got an object instead.`,
      `${path}.function.arguments`,
      'invalid_type',
    )
  }
}

function checkContent(message: Json, role: string, path: string): void {
  const content = message['content']
  if (content === undefined || content === null) {
    const replaced =
      message['tool_calls'] ?? message['function_call'] ?? message['refusal'] ?? message['audio'] ?? undefined
    if (role === 'assistant' && replaced !== undefined) return
    reject(`Invalid value for 'content': expected a string, got null.`, `${path.replace('[', '.[')}.content`)
  }
  if (typeof content === 'string') return
  if (!Array.isArray(content)) {
    reject(
      `Invalid type for '${path}.content': expected one of a string or array of objects.`,
      `${path}.content`,
      'invalid_type',
    )
  }
  if (content.length === 0) {
    reject(
      `Invalid '${path}.content': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
      `${path}.content`,
      'empty_array',
    )
  }
  content.forEach((part: unknown, at) => {
    checkPart(part, role, `${path}.content[${at}]`)
  })
}

function checkPart(part: unknown, role: string, path: string): void {
  if (!isJson(part)) reject(`Invalid type for '${path}': expected an object.`, path, 'invalid_type')
  const type = String(part['type'])
  const allowed = partTypes[role] ?? []
  if (!allowed.includes(type)) {
    reject(
      `Invalid value: '${type}'. Supported values are: ${allowed.map(name => `'${name}'`).join(', ')}.`,
      `${path}.type`,
      'invalid_value',
    )
  }
  allow(part, partKeys[type] ?? [], path)
  if (type === 'text' && typeof part['text'] !== 'string') {
    reject(`Missing required parameter: '${path}.text'.`, `${path}.text`, 'missing_required_parameter')
  }
  if (type === 'image_url') {
    const image = part['image_url']
    if (!isJson(image)) {
      reject(
        `Invalid type for '${path}.image_url': expected an object, but got a string instead.`,
        `${path}.image_url`,
        'invalid_type',
      )
    }
    allow(image, ['url', 'detail'], `${path}.image_url`)
    const url = String(image['url'])
    if (!/^(https?:\/\/|data:image\/(png|jpe?g|gif|webp);base64,)/.test(url)) {
      reject(
        `Invalid '${path}.image_url.url'. Expected a valid URL, but got a value with an invalid format.`,
        `${path}.image_url.url`,
        'invalid_image_url',
      )
    }
  }
  if (type === 'input_audio') {
    const audio = part['input_audio']
    if (!isJson(audio) || typeof audio['data'] !== 'string' || !['wav', 'mp3'].includes(String(audio['format']))) {
      reject(`Invalid value for '${path}.input_audio'.`, `${path}.input_audio`, 'invalid_value')
    }
    allow(audio, ['data', 'format'], `${path}.input_audio`)
  }
  if (type === 'file') {
    const file = part['file']
    if (!isJson(file)) reject(`Missing required parameter: '${path}.file'.`, path, 'missing_required_parameter')
    allow(file, ['file_data', 'file_id', 'filename'], `${path}.file`)
  }
}
