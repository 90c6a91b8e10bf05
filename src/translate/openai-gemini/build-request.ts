import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { convertMessages } from './convert-messages.ts'
import { type GeminiContent, type GeminiRequest, isRecord } from './gemini-types.ts'
import { copyNative, generationConfig } from './generation-config.ts'
import { prepareTools } from './prepare-tools.ts'
import { type RequestOptions, UnsupportedParams } from './request-options.ts'
import { responseFormat } from './response-format.ts'
import { ToolNames } from './tool-names.ts'

export interface BuiltRequest {
  readonly body: GeminiRequest
  readonly droppedParams: readonly string[]
  readonly names: ToolNames
  /** Hosted tools that cite sources are on. */
  readonly grounded: boolean
}

/** Hub chat request → generateContent body. Does not change the request. @throws GatewayError. */
export function buildRequest(request: ChatRequest, options: RequestOptions): BuiltRequest {
  if (!Array.isArray(request.messages) || request.messages.length === 0) {
    throw new GatewayError('missing_field', 'messages must hold at least one message.', { param: 'messages' })
  }
  const unsupported = new UnsupportedParams(options)
  const names = new ToolNames()
  // Before the messages: the names of declared tools decide how calls in the history are spelt.
  const { tools, functionCallingConfig, grounded } = prepareTools(request, names, unsupported)
  const { contents, system, wishes } = convertMessages(request.messages, options, names)
  const config = generationConfig(request, options, unsupported)
  const hasFunctions = tools.some(tool => tool.functionDeclarations !== undefined)
  const wish = responseFormat(request, options, hasFunctions, config)
  if (wish !== undefined) system.push(wish)
  if (wishes.resolution !== undefined) config['mediaResolution'] ??= wishes.resolution

  const body: GeminiRequest = { contents }
  if (system.length > 0) instruct(body, system, options)
  if (contents.length === 0) contents.push({ role: 'user', parts: [{ text: ' ' }] })
  if (tools.length > 0) body.tools = tools
  const toolConfig = toolConfigOf(request, functionCallingConfig)
  if (toolConfig !== undefined) body.toolConfig = toolConfig
  if (Object.keys(config).length > 0) body.generationConfig = config
  copyTopLevel(request, body)
  const tier = serviceTier(request.service_tier)
  if (tier !== undefined) body.serviceTier = tier
  const cached = request['cachedContent'] ?? request['cached_content']
  if (cached !== undefined && cached !== null) body.cachedContent = cached
  mergeExtraBody(request['extra_body'], body)
  if (body.cachedContent !== undefined) useCache(request, body, unsupported)
  return { body, droppedParams: unsupported.dropped, names, grounded }
}

function instruct(body: GeminiRequest, system: readonly string[], options: RequestOptions): void {
  if (options.systemMessages) {
    body.systemInstruction = { parts: system.map(text => ({ text })) }
    return
  }
  // Gemma has no system instruction: it reads it at the head of the first user turn.
  const text = `${system.join('\n\n')}\n\n`
  const [first] = body.contents
  if (first?.role === 'user') first.parts.unshift({ text })
  else body.contents.unshift({ role: 'user', parts: [{ text }] } satisfies GeminiContent)
}

function toolConfigOf(
  request: ChatRequest,
  functionCallingConfig: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  const stated = request['toolConfig'] ?? request['tool_config']
  if (functionCallingConfig === undefined) return isRecord(stated) ? stated : undefined
  return isRecord(stated) ? { functionCallingConfig, ...stated } : { functionCallingConfig }
}

function copyTopLevel(from: Record<string, unknown>, body: GeminiRequest): void {
  const safety = from['safetySettings'] ?? from['safety_settings']
  if (safety !== undefined && safety !== null) body.safetySettings = safety
  if (isRecord(from['labels'])) body['labels'] = from['labels']
}

/** `auto` leaves the choice to the project's settings. */
function serviceTier(tier: unknown): string | undefined {
  if (typeof tier !== 'string' || tier === '' || tier === 'auto') return undefined
  return tier === 'default' ? 'standard' : tier.toLowerCase()
}

/**
 * `extra_body` goes into the body as it is; `generationConfig` is merged key by key. `extra_body.google` is the form
 * that Google's own OpenAI-compatible endpoint takes (`thinking_config`, `cached_content`).
 */
function mergeExtraBody(extra: unknown, body: GeminiRequest): void {
  if (!isRecord(extra)) return
  const { google, generationConfig: camel, generation_config: snake, ...rest } = extra
  const config = { ...body.generationConfig }
  if (isRecord(google)) {
    copyNative(google, config)
    copyTopLevel(google, body)
    const cached = google['cached_content'] ?? google['cachedContent']
    if (cached !== undefined) body.cachedContent = cached
  }
  if (isRecord(camel)) Object.assign(config, camel)
  if (isRecord(snake)) Object.assign(config, snake)
  if (Object.keys(config).length > 0) body.generationConfig = config
  for (const [key, value] of Object.entries(rest)) {
    // JSON may hold `__proto__`, whose setter is not wanted here.
    if (key !== '__proto__') body[key] = value
  }
}

/** A cached prefix holds its own instruction and tools; the API refuses them beside it. */
function useCache(request: ChatRequest, body: GeminiRequest, unsupported: UnsupportedParams): void {
  if (body.tools !== undefined && request.tools) unsupported.drop('tools')
  if (body.toolConfig !== undefined && request.tool_choice) unsupported.drop('tool_choice')
  delete body.systemInstruction
  delete body.tools
  delete body.toolConfig
}
