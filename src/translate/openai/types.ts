/**
 * The hub format: OpenAI chat completions with the extensions the field has settled on (`reasoning_content`,
 * `thinking_blocks`, `cache_control`, `provider_specific_fields`, cache-write token counts).
 * Every other dialect is translated to and from this one. Types are lenient: what arrives from outside is checked where
 * it is used, and unknown keys travel along.
 */

export interface ChatRequest {
  model: string
  messages: ChatMessage[]
  stream?: boolean | null
  stream_options?: { include_usage?: boolean; [extra: string]: unknown } | null
  max_tokens?: number | null
  max_completion_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  top_k?: number | null
  n?: number | null
  stop?: string | string[] | null
  seed?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Record<string, number> | null
  logprobs?: boolean | null
  top_logprobs?: number | null
  user?: string | null
  tools?: Tool[] | null
  tool_choice?: ToolChoice | null
  parallel_tool_calls?: boolean | null
  functions?: FunctionDefinition[] | null
  function_call?: 'none' | 'auto' | { name: string } | null
  response_format?: ResponseFormat | null
  reasoning_effort?: string | { effort?: string; summary?: string } | null
  thinking?: ThinkingParam | null
  modalities?: string[] | null
  audio?: { voice?: unknown; format?: string } | null
  prediction?: unknown
  web_search_options?: { search_context_size?: string; user_location?: unknown } | null
  service_tier?: string | null
  metadata?: Record<string, unknown> | null
  verbosity?: string | null
  [extra: string]: unknown
}

export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'

export interface ChatMessage {
  role: Role
  content?: string | ContentPart[] | null
  name?: string
  tool_calls?: ToolCall[] | null
  tool_call_id?: string
  function_call?: { name: string; arguments: string } | null
  refusal?: string | null
  audio?: { id?: string; data?: string; transcript?: string; expires_at?: number } | null
  images?: GeneratedImage[]
  reasoning_content?: string | null
  thinking_blocks?: ThinkingBlock[] | null
  annotations?: unknown[]
  cache_control?: CacheControl | null
  provider_specific_fields?: Record<string, unknown> | null
  prefix?: boolean
  [extra: string]: unknown
}

export interface CacheControl {
  type: 'ephemeral'
  ttl?: string
}

export type ContentPart =
  | { type: 'text'; text: string; cache_control?: CacheControl | null }
  | {
      type: 'image_url'
      image_url: { url: string; detail?: string; format?: string } | string
      cache_control?: CacheControl | null
    }
  | { type: 'input_audio'; input_audio: { data: string; format: string } }
  | {
      type: 'file'
      file: { file_data?: string; file_id?: string; filename?: string; format?: string }
      cache_control?: CacheControl | null
    }
  | { type: 'video_url'; video_url: { url: string } | string }
  | { type: 'refusal'; refusal: string }
  | ThinkingBlock

export type ThinkingBlock =
  | { type: 'thinking'; thinking: string; signature?: string; [extra: string]: unknown }
  | { type: 'redacted_thinking'; data: string; [extra: string]: unknown }

export type ThinkingParam = {
  type: 'enabled' | 'disabled' | 'adaptive'
  budget_tokens?: number
  [extra: string]: unknown
}

export interface ToolCall {
  id: string
  type?: 'function' | string
  function: { name: string; arguments: string }
  index?: number
  provider_specific_fields?: Record<string, unknown> | null
  [extra: string]: unknown
}

export interface FunctionDefinition {
  name: string
  description?: string
  parameters?: Record<string, unknown>
  strict?: boolean | null
  [extra: string]: unknown
}

/** A function tool, or a vendor's hosted tool passed through as it is. */
export interface Tool {
  type: 'function' | string
  function?: FunctionDefinition
  cache_control?: CacheControl | null
  [extra: string]: unknown
}

export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | 'any'
  | { type: string; function?: { name: string }; [extra: string]: unknown }

export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object'; response_schema?: Record<string, unknown> }
  | {
      type: 'json_schema'
      json_schema: { name: string; description?: string; schema?: Record<string, unknown>; strict?: boolean | null }
    }

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call'

export interface Usage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details?: {
    /** Read from the vendor's prompt cache; part of prompt_tokens. */
    cached_tokens?: number
    /** Written to the vendor's prompt cache; part of prompt_tokens. */
    cache_write_tokens?: number
    audio_tokens?: number
    text_tokens?: number
    image_tokens?: number
    video_tokens?: number
    [extra: string]: unknown
  } | null
  completion_tokens_details?: {
    reasoning_tokens?: number
    audio_tokens?: number
    text_tokens?: number
    image_tokens?: number
    accepted_prediction_tokens?: number
    rejected_prediction_tokens?: number
    [extra: string]: unknown
  } | null
  /** Anthropic's counts under their own names, as LiteLLM also reports them. */
  cache_creation_input_tokens?: number
  cache_read_input_tokens?: number
  cache_creation?: { ephemeral_5m_input_tokens?: number; ephemeral_1h_input_tokens?: number }
  server_tool_use?: { web_search_requests?: number; [extra: string]: unknown }
  /** Cost in US dollars where the vendor states it (OpenRouter). */
  cost?: number
  [extra: string]: unknown
}

export interface GeneratedImage {
  type?: 'image_url'
  image_url: { url: string; detail?: string }
  index?: number
}

export interface Choice {
  index: number
  message: ChatMessage
  finish_reason: FinishReason | null
  logprobs?: unknown
  /** Kept where the vendor's own word says more than `finish_reason`: `{ native_finish_reason }`. */
  provider_specific_fields?: Record<string, unknown>
}

export interface ChatResponse {
  id: string
  object: 'chat.completion'
  created: number
  model: string
  choices: Choice[]
  usage?: Usage
  system_fingerprint?: string | null
  service_tier?: string | null
  provider_specific_fields?: Record<string, unknown>
  [extra: string]: unknown
}

export interface ToolCallDelta {
  index: number
  id?: string
  type?: 'function' | string
  function?: { name?: string; arguments?: string }
  provider_specific_fields?: Record<string, unknown> | null
}

export interface Delta {
  role?: Role
  content?: string | null
  refusal?: string | null
  tool_calls?: ToolCallDelta[]
  function_call?: { name?: string; arguments?: string }
  reasoning_content?: string | null
  thinking_blocks?: ThinkingBlock[]
  audio?: { id?: string; data?: string; transcript?: string; expires_at?: number }
  images?: GeneratedImage[]
  annotations?: unknown[]
  provider_specific_fields?: Record<string, unknown> | null
}

export interface ChunkChoice {
  index: number
  delta: Delta
  finish_reason: FinishReason | null
  logprobs?: unknown
  provider_specific_fields?: Record<string, unknown>
}

export interface ChatChunk {
  id: string
  object: 'chat.completion.chunk'
  created: number
  model: string
  choices: ChunkChoice[]
  usage?: Usage | null
  system_fingerprint?: string | null
  service_tier?: string | null
  provider_specific_fields?: Record<string, unknown>
}

export interface EmbeddingRequest {
  model: string
  input: string | string[] | number[] | number[][]
  dimensions?: number | null
  encoding_format?: 'float' | 'base64' | null
  input_type?: string | null
  user?: string | null
  [extra: string]: unknown
}

export interface EmbeddingResponse {
  object: 'list'
  model: string
  data: { object: 'embedding'; index: number; embedding: number[] | string }[]
  usage: { prompt_tokens: number; total_tokens: number }
}
