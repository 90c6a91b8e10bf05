/**
 * The Messages API as far as translation needs it (source: types of `@anthropic-ai/sdk` 1.12, GA and beta). Lenient:
 * every object may hold more keys, and blocks of unknown type travel through as `OtherBlock`.
 */
import type { CacheControl, ThinkingParam } from '../openai/types.ts'

export type StopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'stop_sequence'
  | 'tool_use'
  | 'pause_turn'
  | 'compaction'
  | 'refusal'
  | 'model_context_window_exceeded'

export interface TextBlock {
  type: 'text'
  text: string
  citations?: unknown[] | null
  cache_control?: CacheControl | null
}

export interface ThinkingBlock {
  type: 'thinking'
  thinking: string
  signature?: string
}

export interface RedactedThinkingBlock {
  type: 'redacted_thinking'
  data: string
}

export interface ToolUseBlock {
  type: 'tool_use'
  id: string
  name: string
  input: unknown
  cache_control?: CacheControl | null
  caller?: { type: string; [extra: string]: unknown }
}

export interface ToolResultBlock {
  type: 'tool_result'
  tool_use_id: string
  content?: string | Block[]
  is_error?: boolean
  cache_control?: CacheControl | null
}

export type MediaSource =
  | { type: 'base64'; media_type: string; data: string }
  | { type: 'url'; url: string }
  | { type: 'file'; file_id: string }
  | { type: 'text'; media_type: string; data: string }
  | { type: 'content'; content: string | Block[] }

export interface ImageBlock {
  type: 'image'
  source: MediaSource
  cache_control?: CacheControl | null
}

export interface DocumentBlock {
  type: 'document'
  source: MediaSource
  title?: string | null
  context?: string | null
  citations?: unknown
  cache_control?: CacheControl | null
}

/** Server tools and their results, search results, compaction, container uploads and whatever comes next. */
export interface OtherBlock {
  type: string
  [extra: string]: unknown
}

export type KnownBlock =
  | TextBlock
  | ThinkingBlock
  | RedactedThinkingBlock
  | ToolUseBlock
  | ToolResultBlock
  | ImageBlock
  | DocumentBlock

export type Block = KnownBlock | OtherBlock

export interface MessageParam {
  role: 'user' | 'assistant' | 'system'
  content: string | Block[]
}

export interface AnthropicTool {
  name: string
  type?: string | null
  description?: string
  input_schema?: Record<string, unknown>
  strict?: boolean
  cache_control?: CacheControl | null
  [extra: string]: unknown
}

export interface AnthropicToolChoice {
  type: 'auto' | 'any' | 'tool' | 'none'
  name?: string
  disable_parallel_tool_use?: boolean
}

export interface OutputConfig {
  effort?: string | null
  format?: { type: 'json_schema'; schema: Record<string, unknown> } | null
  [extra: string]: unknown
}

export interface MessagesRequest {
  model: string
  max_tokens?: number
  messages: MessageParam[]
  system?: string | TextBlock[]
  stream?: boolean
  temperature?: number | null
  top_p?: number | null
  top_k?: number | null
  stop_sequences?: string[] | null
  metadata?: { user_id?: string | null } | null
  tools?: AnthropicTool[] | null
  tool_choice?: AnthropicToolChoice | null
  thinking?: ThinkingParam | null
  output_config?: OutputConfig | null
  output_format?: OutputConfig['format']
  service_tier?: string | null
  [extra: string]: unknown
}

export interface MessageUsage {
  input_tokens?: number | null
  output_tokens?: number | null
  cache_creation_input_tokens?: number | null
  cache_read_input_tokens?: number | null
  cache_creation?: { ephemeral_5m_input_tokens?: number; ephemeral_1h_input_tokens?: number } | null
  output_tokens_details?: { thinking_tokens?: number } | null
  server_tool_use?: { web_search_requests?: number; [extra: string]: unknown } | null
  service_tier?: string | null
  iterations?: ({ type?: string } & MessageUsage)[] | null
  [extra: string]: unknown
}

export interface Message {
  id: string
  type: 'message'
  role: 'assistant'
  model: string
  content: Block[]
  stop_reason: StopReason | null
  stop_sequence: string | null
  usage: MessageUsage
  [extra: string]: unknown
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value where it is a string, else ''. `String()` would run a `toString` that came from outside. */
export const stringOr = (value: unknown, fallback = ''): string => (typeof value === 'string' ? value : fallback)
