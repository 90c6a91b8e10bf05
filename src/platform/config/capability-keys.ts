import { type Key, key } from './section.ts'
import { flag } from './values.ts'

const capability = (what: string) => key(flag, `The model supports ${what}; beats the price map.`)

/** What a model can do, for models the price map does not know or knows wrongly. */
export const capabilities = {
  supports_function_calling: capability('tools'),
  supports_parallel_function_calling: capability('several tool calls in one answer'),
  supports_tool_choice: capability('tool_choice'),
  supports_response_schema: capability('JSON schema answers'),
  supports_native_structured_output: capability('JSON schema natively'),
  supports_system_messages: capability('system messages'),
  supports_assistant_prefill: capability('a prefilled assistant turn'),
  supports_prompt_caching: capability('prompt caching'),
  supports_prompt_cache_breakpoint: capability('cache breakpoints'),
  supports_vision: capability('images'),
  supports_image_input: capability('image input'),
  supports_pdf_input: capability('PDF input'),
  supports_video_input: capability('video input'),
  supports_audio_input: capability('audio input'),
  supports_audio_output: capability('audio output'),
  supports_embedding_image_input: capability('images in embeddings'),
  supports_web_search: capability('web search'),
  supports_url_context: capability('URL context'),
  supports_computer_use: capability('computer use'),
  supports_code_execution: capability('code execution'),
  supports_reasoning: capability('reasoning'),
  supports_none_reasoning_effort: capability('reasoning effort none'),
  supports_minimal_reasoning_effort: capability('reasoning effort minimal'),
  supports_low_reasoning_effort: capability('reasoning effort low'),
  supports_xhigh_reasoning_effort: capability('reasoning effort xhigh'),
  supports_max_reasoning_effort: capability('reasoning effort max'),
  supports_adaptive_thinking: capability('adaptive thinking'),
  supports_legacy_thinking: capability('thinking with a token budget'),
  supports_sampling_params: capability('temperature and its kin'),
  supports_native_streaming: capability('streaming'),
} satisfies Record<string, Key>
