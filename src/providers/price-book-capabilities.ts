import type { PriceEntry } from './price-book-rates.ts'
import type { Capabilities } from './wire.ts'

type Flag = { [K in keyof Capabilities]-?: Capabilities[K] extends boolean | undefined ? K : never }[keyof Capabilities]
type Mutable = { -readonly [K in keyof Capabilities]: Capabilities[K] }

const flagOfField: Readonly<Record<string, Flag>> = {
  supports_function_calling: 'functionCalling',
  supports_parallel_function_calling: 'parallelFunctionCalling',
  supports_tool_choice: 'toolChoice',
  supports_response_schema: 'responseSchema',
  supports_native_structured_output: 'nativeStructuredOutput',
  supports_system_messages: 'systemMessages',
  supports_vision: 'vision',
  supports_audio_input: 'audioInput',
  supports_audio_output: 'audioOutput',
  supports_video_input: 'videoInput',
  supports_pdf_input: 'pdfInput',
  supports_web_search: 'webSearch',
  supports_prompt_caching: 'promptCaching',
  supports_reasoning: 'reasoning',
  supports_adaptive_thinking: 'adaptiveThinking',
  supports_native_streaming: 'nativeStreaming',
  supports_sampling_params: 'samplingParams',
  supports_assistant_prefill: 'assistantPrefill',
  thinking_always_on: 'thinkingAlwaysOn',
}

const everyModelsEfforts = new Set(['low', 'medium', 'high'])
const effortFlag = /^supports_([a-z]+)_reasoning_effort$/

/** What an entry (or a deployment's `model_info`) says a model can do. Fields it does not state stay undefined. */
export function capabilitiesOf(entry: PriceEntry): Capabilities {
  const capabilities: Mutable = {}
  for (const [field, value] of Object.entries(entry)) {
    const flag = flagOfField[field]
    if (flag !== undefined && typeof value === 'boolean') capabilities[flag] = value
  }
  const input = tokens(entry['max_input_tokens'])
  if (input !== undefined) capabilities.maxInputTokens = input
  // `max_tokens` is the older name of the output limit.
  const output = tokens(entry['max_output_tokens']) ?? tokens(entry['max_tokens'])
  if (output !== undefined) capabilities.maxOutputTokens = output
  const cacheable = tokens(entry['prompt_cache_min_tokens'])
  if (cacheable !== undefined) capabilities.promptCacheMinTokens = cacheable
  const vector = tokens(entry['output_vector_size'])
  if (vector !== undefined) capabilities.outputVectorSize = vector
  if (typeof entry['mode'] === 'string') capabilities.mode = entry['mode']
  if (typeof entry['default_reasoning_effort'] === 'string') {
    capabilities.defaultEffort = entry['default_reasoning_effort']
  }
  addEfforts(entry, capabilities)
  return capabilities
}

function addEfforts(entry: PriceEntry, capabilities: Mutable): void {
  const levels = entry['reasoning_effort_levels']
  const extra = new Set<string>()
  if (Array.isArray(levels)) {
    capabilities.effortLevels = levels.filter(level => typeof level === 'string')
    for (const level of capabilities.effortLevels) if (!everyModelsEfforts.has(level)) extra.add(level)
  }
  let stated = extra.size > 0
  for (const [field, value] of Object.entries(entry)) {
    const effort = effortFlag.exec(field)?.[1]
    if (effort === undefined || typeof value !== 'boolean' || everyModelsEfforts.has(effort)) continue
    stated = true
    if (value) extra.add(effort)
    else extra.delete(effort)
  }
  if (stated) capabilities.efforts = [...extra]
}

function tokens(value: unknown): number | undefined {
  const count = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof count === 'number' && count > 0 && Number.isFinite(count) ? Math.floor(count) : undefined
}
