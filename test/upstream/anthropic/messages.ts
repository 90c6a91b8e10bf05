import { isJson, type Json } from '../types.ts'
import { onlyKeys, reject, signatureOf } from './rules.ts'

const blockKeys: Record<string, readonly string[]> = {
  text: ['type', 'text', 'cache_control', 'citations'],
  image: ['type', 'source', 'cache_control', 'transformations'],
  document: ['type', 'source', 'cache_control', 'citations', 'context', 'title'],
  search_result: ['type', 'source', 'title', 'content', 'citations', 'cache_control'],
  thinking: ['type', 'thinking', 'signature'],
  redacted_thinking: ['type', 'data'],
  tool_use: ['type', 'id', 'name', 'input', 'cache_control', 'caller', 'toolset_name'],
  tool_result: ['type', 'tool_use_id', 'content', 'is_error', 'cache_control', 'toolset_name'],
}
const userBlocks = ['text', 'image', 'document', 'search_result', 'tool_result', 'container_upload']
const assistantBlocks = [
  'text',
  'thinking',
  'redacted_thinking',
  'tool_use',
  'server_tool_use',
  'web_search_tool_result',
]
const toolId = /^[a-zA-Z0-9_-]+$/
const imageTypes = ['image/jpeg', 'image/png', 'image/gif', 'image/webp']

export interface CheckedMessage {
  readonly role: 'user' | 'assistant'
  readonly blocks: Json[]
}

export interface MessageRules {
  readonly model: string
  readonly thinking: boolean
  /** The 2026-10-21 version refuses citations in user texts. */
  readonly newVersion: boolean
}

/** Roles, blocks, and the pairing of tool_use with tool_result. Consecutive turns of one role count as one turn. */
export function checkMessages(messages: unknown, rules: MessageRules): CheckedMessage[] {
  if (!Array.isArray(messages)) reject('messages: Input should be a valid list')
  if (messages.length === 0) reject('messages: at least one message is required')
  const turns: { role: 'user' | 'assistant'; blocks: Json[] }[] = []
  messages.forEach((message: unknown, index) => {
    if (isJson(message) && message['role'] === 'system') {
      checkSystemTurn(message, turns.at(-1)?.role, rules.model)
      return
    }
    const checked = checkMessage(message, `messages.${index}`, index === messages.length - 1)
    if (rules.newVersion && checked.role === 'user') refuseCitations(checked.blocks, `messages.${index}`)
    const previous = turns.at(-1)
    if (previous?.role === checked.role) previous.blocks.push(...checked.blocks)
    else turns.push({ role: checked.role, blocks: [...checked.blocks] })
  })
  if (turns[0]?.role !== 'user') reject('messages: first message must use the "user" role')
  turns.forEach((turn, index) => {
    checkPairs(turns[index - 1], turn, index)
  })
  const last = turns.at(-1)
  if (last?.role === 'assistant') checkPairs(last, undefined, turns.length)
  if (rules.thinking) checkThinkingFirst(turns)
  return turns
}

/** Opus 4.8 and later take system turns in mid-conversation, right after a user turn; older models take none. */
function checkSystemTurn(message: Json, previous: string | undefined, model: string): void {
  if (!/claude-opus-(4-[89]|[5-9])/.test(model)) {
    reject(
      previous === undefined
        ? 'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
        : "role 'system' is not supported on this model",
    )
  }
  if (previous !== 'user') reject("messages: role 'system' must follow a 'user' message")
  onlyKeys(message, ['role', 'content'], 'messages.system')
}

function refuseCitations(blocks: Json[], path: string): void {
  blocks.forEach((block, at) => {
    const citations = block['citations']
    if (block['type'] === 'text' && Array.isArray(citations) && citations.length > 0) {
      reject(`${path}.content.${at}.text.citations: citations are not permitted in user messages`)
    }
  })
}

function checkMessage(message: unknown, path: string, last: boolean): CheckedMessage {
  if (!isJson(message)) reject(`${path}: Input should be an object`)
  const role = message['role']
  if (role !== 'user' && role !== 'assistant') {
    reject(`messages: Unexpected role "${String(role)}". Allowed roles are "user" or "assistant".`)
  }
  onlyKeys(message, ['role', 'content'], path)
  const content = message['content']
  if (content === undefined) reject(`${path}.content: Field required`)
  if (typeof content !== 'string' && !Array.isArray(content)) reject(`${path}.content: Input should be a valid list`)
  if (content.length === 0 && !(last && role === 'assistant')) {
    reject(`${path}: all messages must have non-empty content except for the optional final assistant message`)
  }
  const blocks: unknown[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  blocks.forEach((block, at) => {
    checkBlock(block, role, `${path}.content.${at}`)
  })
  const closing = blocks.at(-1)
  if (
    last &&
    role === 'assistant' &&
    isJson(closing) &&
    closing['type'] === 'text' &&
    /\s$/.test(String(closing['text']))
  ) {
    reject('messages: final assistant content cannot end with trailing whitespace')
  }
  return { role, blocks: blocks.filter(isJson) }
}

function checkBlock(block: unknown, role: 'user' | 'assistant', path: string): void {
  if (!isJson(block)) reject(`${path}: Input should be an object`)
  const type = String(block['type'])
  const allowed = role === 'user' ? userBlocks : assistantBlocks
  if (!allowed.includes(type)) {
    reject(
      `${path}: Input tag '${type}' found using 'type' does not match any of the expected tags: ${allowed.map(tag => `'${tag}'`).join(', ')}`,
    )
  }
  const keys = blockKeys[type]
  if (keys !== undefined) onlyKeys(block, keys, `${path}.${type}`)
  switch (type) {
    case 'text':
      checkText(block['text'], path)
      break
    case 'image':
    case 'document':
      checkSource(block['source'], type, path)
      break
    case 'tool_use':
      if (typeof block['id'] !== 'string' || !toolId.test(block['id'])) {
        reject(`${path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`)
      }
      if (!/^[a-zA-Z0-9_-]{1,200}$/.test(String(block['name']))) {
        reject(`${path}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,200}$'`)
      }
      if (!isJson(block['input'])) reject(`${path}.tool_use.input: Input should be a valid dictionary`)
      break
    case 'tool_result':
      checkToolResult(block, path)
      break
    case 'thinking':
      if (typeof block['thinking'] !== 'string') reject(`${path}.thinking.thinking: Field required`)
      if (typeof block['signature'] !== 'string') reject(`${path}.thinking.signature: Field required`)
      if (block['signature'] !== signatureOf(block['thinking'])) {
        reject(`${path}: Invalid \`signature\` in \`thinking\` block`)
      }
      break
    case 'redacted_thinking':
      if (!String(block['data']).startsWith('EqQB')) reject(`${path}: Invalid \`data\` in \`redacted_thinking\` block`)
  }
}

function checkText(text: unknown, path: string): void {
  if (typeof text !== 'string') reject(`${path}.text.text: Field required`)
  if (text === '') reject('messages: text content blocks must be non-empty')
  if (text.trim() === '') reject('messages: text content blocks must contain non-whitespace text')
}

function checkSource(source: unknown, type: string, path: string): void {
  if (!isJson(source)) reject(`${path}.${type}.source: Field required`)
  const kind = source['type']
  const at = `${path}.${type}.source.${String(kind)}`
  if (kind === 'base64') {
    onlyKeys(source, ['type', 'media_type', 'data'], at)
    const expected = type === 'image' ? imageTypes : ['application/pdf']
    if (!expected.includes(String(source['media_type']))) {
      reject(`${at}.media_type: Input should be ${expected.map(name => `'${name}'`).join(', ')}`)
    }
    if (typeof source['data'] !== 'string' || !/^[A-Za-z0-9+/]+=*$/.test(source['data'])) {
      reject(`${at}.data: Invalid base64 data`)
    }
    return
  }
  if (kind === 'url') {
    onlyKeys(source, ['type', 'url'], at)
    if (!/^https:\/\//.test(String(source['url']))) reject(`${at}.url: Only HTTPS URLs are supported.`)
    return
  }
  if (kind === 'file' || (kind === 'text' && type === 'document')) {
    onlyKeys(source, kind === 'file' ? ['type', 'file_id'] : ['type', 'media_type', 'data'], at)
    return
  }
  if (kind === 'content' && type === 'document') return
  reject(
    `${path}.${type}.source: Input tag '${String(kind)}' found using 'type' does not match any of the expected tags: 'base64', 'url', 'file'`,
  )
}

function checkToolResult(block: Json, path: string): void {
  if (typeof block['tool_use_id'] !== 'string') reject(`${path}.tool_result.tool_use_id: Field required`)
  const content = block['content']
  if (content === undefined || typeof content === 'string') return
  if (!Array.isArray(content)) reject(`${path}.tool_result.content: Input should be a valid list`)
  content.forEach((part: unknown, at) => {
    const place = `${path}.tool_result.content.${at}`
    if (!isJson(part)) reject(`${place}: Input should be an object`)
    const type = String(part['type'])
    if (!['text', 'image', 'document', 'search_result'].includes(type)) {
      reject(
        `${place}: Input tag '${type}' found using 'type' does not match any of the expected tags: 'text', 'image'`,
      )
    }
    onlyKeys(part, blockKeys[type] ?? [], `${place}.${type}`)
    if (type === 'image' || type === 'document') checkSource(part['source'], type, place)
  })
}

function blocksOf(message: CheckedMessage | undefined, type: string): Json[] {
  return message?.blocks.filter(block => block['type'] === type) ?? []
}

/** Every tool_use of one turn is answered in the next, before any other content there, each exactly once. */
function checkPairs(previous: CheckedMessage | undefined, message: CheckedMessage | undefined, index: number): void {
  const asked = previous?.role === 'assistant' ? blocksOf(previous, 'tool_use').map(block => String(block['id'])) : []
  if (new Set(asked).size !== asked.length) reject(`messages.${index - 1}: \`tool_use\` ids must be unique`)
  const results = message?.role === 'user' ? blocksOf(message, 'tool_result') : []
  const answered: string[] = []
  for (const block of results) {
    const id = String(block['tool_use_id'])
    if (!asked.includes(id)) {
      reject(
        `messages.${index}.content.${message?.blocks.indexOf(block)}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      )
    }
    if (answered.includes(id)) {
      reject(
        `messages.${index}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${id}`,
      )
    }
    answered.push(id)
  }
  const leading = message?.blocks.slice(0, results.length).every(block => block['type'] === 'tool_result') ?? true
  const open = asked.filter(id => !answered.includes(id))
  if (open.length > 0 || (asked.length > 0 && !leading)) {
    const named = open.length > 0 ? open : asked
    reject(
      `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${named.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
    )
  }
}

/** With thinking on, the assistant turns of the tool loop in progress begin with their thinking. */
function checkThinkingFirst(messages: CheckedMessage[]): void {
  const last = messages.at(-1)
  if (last?.role !== 'user' || blocksOf(last, 'tool_result').length === 0) return
  const index = messages.length - 2
  const first = messages[index]?.blocks[0]?.['type']
  if (first === 'thinking' || first === 'redacted_thinking') return
  reject(
    `messages.${index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${String(first)}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`,
  )
}

/** Limits on cache breakpoints over the whole request. */
export function checkCacheControl(body: Json): void {
  let count = 0
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const entry of value) visit(entry)
      return
    }
    if (!isJson(value)) return
    const control = value['cache_control']
    if (control !== undefined && control !== null) {
      if (!isJson(control) || control['type'] !== 'ephemeral') reject("cache_control.type: Input should be 'ephemeral'")
      onlyKeys(control, ['type', 'ttl'], 'cache_control')
      const ttl = control['ttl']
      if (ttl !== undefined && ttl !== '5m' && ttl !== '1h') reject("cache_control.ttl: Input should be '5m' or '1h'")
      count++
    }
    visit(value['content'])
  }
  visit(body['system'])
  visit(body['tools'])
  visit(body['messages'])
  if (count > 4) reject(`A maximum of 4 blocks with cache_control may be provided. Found ${count}.`)
}
