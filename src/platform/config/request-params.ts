import { type Key, key } from './section.ts'
import { anything, count, flag, number, positiveCount, text } from './values.ts'

const param = <S extends Parameters<typeof key>[0]>(schema: S, description: string) =>
  key(schema, description, { request: true })

/**
 * Fields of a request that a deployment may preset. Everything a deployment does not name otherwise is sent on as such
 * a preset; the ones listed here are checked and protect against misspelling.
 */
export const requestParams = {
  temperature: param(number, 'Sampling temperature when the caller gives none.'),
  top_p: param(number, 'Nucleus sampling share when the caller gives none.'),
  top_k: param(count, 'Sample only from the k most likely tokens.'),
  top_a: param(number, 'Top-a sampling (some vendors).'),
  min_p: param(number, 'Min-p sampling (some vendors).'),
  typical_p: param(number, 'Typical sampling (some vendors).'),
  n: param(positiveCount, 'Number of answers per call.'),
  seed: param(number, 'Seed for repeatable sampling, where supported.'),
  stop: param(anything, 'Stop sequence or list of them.'),
  stop_sequences: param(anything, 'Stop sequences in the Anthropic dialect.'),
  max_tokens: param(positiveCount, 'Output token limit when the caller gives none.'),
  max_completion_tokens: param(positiveCount, 'Output token limit including reasoning.'),
  presence_penalty: param(number, 'Penalty for tokens already present.'),
  frequency_penalty: param(number, 'Penalty that grows with repetition.'),
  repetition_penalty: param(number, 'Multiplicative repetition penalty (some vendors).'),
  logit_bias: param(anything, 'Token id → bias.'),
  logprobs: param(anything, 'Return log probabilities.'),
  top_logprobs: param(count, 'How many alternatives per token position.'),
  user: param(text, 'End-user id passed to the vendor.'),
  stream: param(flag, 'Stream unless the caller says otherwise.'),
  stream_options: param(anything, 'Options of streamed answers.'),
  response_format: param(anything, 'Answer format, for example a JSON schema.'),
  tools: param(anything, 'Tools offered on every call.'),
  tool_choice: param(anything, 'Which tool must or may be called.'),
  parallel_tool_calls: param(flag, 'Allow several tool calls in one answer.'),
  reasoning_effort: param(text, 'Reasoning effort: none, minimal, low, medium, high, ….'),
  reasoning: param(anything, 'Vendor form of the reasoning settings.'),
  thinking: param(anything, 'Thinking settings in the Anthropic dialect.'),
  verbosity: param(text, 'Length of answers, where supported.'),
  modalities: param(anything, 'Output kinds: text, audio.'),
  audio: param(anything, 'Voice and format of audio output.'),
  prediction: param(anything, 'Predicted output that speeds up edits.'),
  metadata: param(anything, 'Metadata sent with the request.'),
  service_tier: param(text, 'Vendor service tier: auto, default, flex, priority.'),
  store: param(flag, 'Let the vendor keep the answer.'),
  web_search_options: param(anything, 'Settings of the vendor’s web search.'),
  safety_settings: param(anything, 'Gemini safety thresholds.'),
  safety_identifier: param(text, 'Stable end-user id for abuse detection.'),
  prompt_cache_key: param(text, 'Cache bucket hint for the vendor.'),
  dimensions: param(positiveCount, 'Length of embedding vectors.'),
  encoding_format: param(text, 'Embedding encoding: float or base64.'),
  input_type: param(text, 'Purpose of an embedding: query or document.'),
  truncate: param(anything, 'Truncation of over-long embedding inputs.'),
  keep_alive: param(anything, 'How long Ollama keeps the model loaded.'),
  num_ctx: param(positiveCount, 'Context length Ollama allocates.'),
} satisfies Record<string, Key>
