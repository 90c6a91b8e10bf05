import type { Plan } from './plan.ts'
import { wireToolCallId } from './tool-call-ids.ts'
import { withoutMedia } from './tool-media.ts'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Messages as the vendor takes them; the same array when none had to change. Foreign dialects' fields go (thinking
 * blocks, cache marks, provider extras), and the vendor's quirks are obeyed. Input objects are never changed.
 */
export function prepareMessages(messages: readonly unknown[], plan: Plan): readonly unknown[] {
  let changed = false
  const out: unknown[] = []
  let media: unknown[] = []
  /** Behind all results of the turn: nothing may stand between them and the calls they answer. */
  const flush = (): void => {
    if (media.length === 0) return
    out.push(prepareMessage({ role: 'user', content: media }, plan))
    media = []
  }
  for (const message of messages) {
    if (!isObject(message)) {
      out.push(message)
      continue
    }
    const isResult = message['role'] === 'tool' && plan.quirks.keepForeignFields !== true
    if (!isResult) flush()
    const next = prepareMessage(isResult ? withoutMedia(message, media, plan) : message, plan)
    if (next !== message) changed = true
    if (next !== undefined) out.push(next)
  }
  flush()
  return changed ? out : messages
}

/** Undefined: the message is left out. */
function prepareMessage(message: Json, plan: Plan): Json | undefined {
  const { quirks } = plan
  let copy: Json | undefined
  const edit = (): Json => {
    copy ??= { ...message }
    return copy
  }
  const role = message['role']

  if (role === 'developer' && quirks.developerRole !== true) edit()['role'] = 'system'
  if ((role === 'system' || role === 'developer') && plan.target.capabilities.systemMessages === false)
    edit()['role'] = 'user'
  if (quirks.keepForeignFields !== true) {
    for (const key of ['thinking_blocks', 'provider_specific_fields']) if (key in message) delete edit()[key]
    replayReasoning(message, quirks.replayReasoning, edit)
  }
  if (quirks.keepCacheControl !== true && 'cache_control' in message) delete edit()['cache_control']

  if (Array.isArray(message['content'])) {
    const parts = prepareParts(message['content'], plan)
    const flat = flattens(role, quirks.flattenTextContent) ? flatten(parts) : parts
    if (flat !== message['content']) edit()['content'] = flat
  }
  if (Array.isArray(message['tool_calls'])) {
    const calls = prepareCalls(message['tool_calls'], plan)
    if (calls !== message['tool_calls']) edit()['tool_calls'] = calls
    if (
      quirks.reasoningPlaceholder === true &&
      calls.length > 0 &&
      !(typeof message['reasoning_content'] === 'string' && message['reasoning_content'] !== '')
    )
      edit()['reasoning_content'] = reasoningText(message) || ' '
  }
  if (typeof message['tool_call_id'] === 'string') {
    const id = wireToolCallId(message['tool_call_id'], plan)
    if (id !== message['tool_call_id']) edit()['tool_call_id'] = id
  }
  if ('name' in message && (quirks.stripMessageName === 'all' || (quirks.stripMessageName && role !== 'tool')))
    delete edit()['name']
  if (quirks.stripNullFields === true && role === 'assistant') {
    for (const key in message) if (message[key] === null && key !== 'content') delete edit()[key]
  }
  const result = copy ?? message
  if (quirks.dropEmptyAssistant === true && role === 'assistant' && isEmpty(result)) return undefined
  return result
}

function isEmpty(message: Json): boolean {
  const content = message['content']
  const calls = message['tool_calls']
  const noContent = content === undefined || content === null || content === '' || isEmptyList(content)
  return noContent && (calls === undefined || calls === null || isEmptyList(calls))
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Keeps earlier reasoning in the vendor's own field, or takes it out. */
function replayReasoning(message: Json, field: string | undefined, edit: () => Json): void {
  if (field !== 'reasoning_details' && 'reasoning_details' in message) delete edit()['reasoning_details']
  if (field === 'reasoning_content') return
  const details = message['reasoning_details'] ?? providerDetails(message)
  if (field === 'reasoning_details' && Array.isArray(details)) edit()['reasoning_details'] = details
  if ('reasoning_content' in message) delete edit()['reasoning_content']
}

function providerDetails(message: Json): unknown {
  const extras = message['provider_specific_fields']
  return isObject(extras) ? extras['reasoning_details'] : undefined
}

/** Reasoning that arrived as Anthropic thinking blocks. */
function reasoningText(message: Json): string {
  const blocks = message['thinking_blocks']
  if (!Array.isArray(blocks)) return ''
  return blocks
    .map(block => (isObject(block) && typeof block['thinking'] === 'string' ? block['thinking'] : ''))
    .join('')
}

function prepareParts(parts: readonly unknown[], plan: Plan): readonly unknown[] {
  const { quirks } = plan
  let changed = false
  const out: unknown[] = []
  for (const part of parts) {
    if (!isObject(part)) {
      out.push(part)
      continue
    }
    if (quirks.keepForeignFields !== true && (part['type'] === 'thinking' || part['type'] === 'redacted_thinking')) {
      changed = true
      continue
    }
    let next = part
    if (quirks.keepCacheControl !== true && 'cache_control' in part) {
      const { cache_control: _mark, ...rest } = part
      next = rest
    }
    if (quirks.flatFileParts === true && part['type'] === 'file' && isObject(part['file'])) {
      const id = part['file']['file_id']
      if (typeof id === 'string') next = { type: 'file', file_id: id }
    }
    if (part['type'] === 'image_url' && typeof part['image_url'] === 'string')
      next = { ...next, image_url: { url: part['image_url'] } }
    if (next !== part) changed = true
    out.push(next)
  }
  return changed ? out : parts
}

function flattens(role: unknown, roles: readonly string[] | undefined): boolean {
  if (roles === undefined || typeof role !== 'string') return false
  return roles.includes(role === 'developer' ? 'system' : role)
}

/** One string of a list that holds text only; lists with media stay. */
function flatten(parts: readonly unknown[]): readonly unknown[] | string {
  let text = ''
  for (const part of parts) {
    if (!isObject(part) || part['type'] !== 'text' || typeof part['text'] !== 'string') return parts
    text += part['text']
  }
  return text
}

function prepareCalls(calls: readonly unknown[], plan: Plan): readonly unknown[] {
  const { quirks } = plan
  let changed = false
  const out = calls.map(call => {
    if (!isObject(call)) return call
    let next = call
    if (quirks.keepForeignFields !== true && 'provider_specific_fields' in call) {
      const { provider_specific_fields: _extras, ...rest } = call
      next = rest
    }
    if (quirks.keepCacheControl !== true && 'cache_control' in next) {
      const { cache_control: _mark, ...rest } = next
      next = rest
    }
    if (typeof call['id'] === 'string') {
      const id = wireToolCallId(call['id'], plan)
      if (id !== call['id']) next = { ...next, id }
    }
    if (next !== call) changed = true
    return next
  })
  return changed ? out : calls
}
