import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { isRecord, textOf } from './gemini-types.ts'
import { thinkingConfig } from './reasoning.ts'
import type { RequestOptions, UnsupportedParams } from './request-options.ts'

/** The API takes at most this many stop sequences. */
const maxStops = 5

/** `generationConfig` keys that a caller may give under their own name, in camel or snake case. */
const nativeKeys = [
  'topK',
  'topP',
  'candidateCount',
  'maxOutputTokens',
  'stopSequences',
  'presencePenalty',
  'frequencyPenalty',
  'responseLogprobs',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'responseModalities',
  'mediaResolution',
  'speechConfig',
  'imageConfig',
  'thinkingConfig',
  'audioTranscriptionConfig',
  'translationConfig',
  'enableEnhancedCivicAnswers',
] as const

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
/** OpenAI-side fields, translated above. */
const shared = new Set(['top_p', 'top_k', 'presence_penalty', 'frequency_penalty'])
const spellings: readonly (readonly [string, string])[] = nativeKeys.flatMap(key =>
  [key, snake(key)].filter(spelling => !shared.has(spelling)).map(spelling => [spelling, key] as const),
)

/** OpenAI parameters without a counterpart. Gateway-side ones (`user`, `metadata`, cache hints) are left out silently. */
const unknown: readonly (readonly [string, string])[] = [
  ['logit_bias', 'Gemini has no logit bias.'],
  ['prediction', 'Gemini takes no predicted output.'],
  ['verbosity', 'Gemini has no verbosity setting.'],
]

/** All sampling and output settings, without `response_format` (see `response-format.ts`). */
export function generationConfig(
  request: ChatRequest,
  options: RequestOptions,
  unsupported: UnsupportedParams,
): Record<string, unknown> {
  const config: Record<string, unknown> = {}
  const set = (key: string, value: unknown): void => {
    if (value !== undefined && value !== null) config[key] = value
  }
  set('temperature', request.temperature)
  set('topP', request.top_p)
  set('topK', request.top_k)
  set('maxOutputTokens', request.max_completion_tokens ?? request.max_tokens)
  // Values that ask for nothing stay away: models without penalties or candidates refuse even those.
  if (request.n !== 1) set('candidateCount', request.n)
  set('seed', request.seed)
  if (request.frequency_penalty !== 0) set('frequencyPenalty', request.frequency_penalty)
  if (request.presence_penalty !== 0) set('presencePenalty', request.presence_penalty)
  set('stopSequences', stopSequences(request, unsupported))
  if (request.logprobs === true) {
    config['responseLogprobs'] = true
    set('logprobs', request.top_logprobs)
  }
  set('responseModalities', modalities(request))
  set('speechConfig', speech(request, unsupported, config))
  set('thinkingConfig', thinkingConfig(request, options, unsupported))
  for (const [param, why] of unknown) {
    const value = request[param]
    if (value === undefined || value === null || (isRecord(value) && Object.keys(value).length === 0)) continue
    if (unsupported.meets(param, why)) config[param] = value
  }
  copyNative(request, config)
  return config
}

/** What the caller named in Gemini's own words counts more than what was translated. */
export function copyNative(from: Record<string, unknown>, config: Record<string, unknown>): void {
  for (const [spelling, key] of spellings) {
    const value = from[spelling]
    if (value !== undefined && value !== null) config[key] = value
  }
  const whole = from['generationConfig'] ?? from['generation_config']
  if (isRecord(whole)) Object.assign(config, whole)
}

function stopSequences(request: ChatRequest, unsupported: UnsupportedParams): string[] | undefined {
  const { stop } = request
  if (stop === undefined || stop === null) return undefined
  const listed = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(listed) || listed.some(text => typeof text !== 'string')) {
    throw new GatewayError('invalid_request', 'stop must be a string or a list of strings.', { param: 'stop' })
  }
  const texts = listed.filter(text => text !== '')
  if (texts.length === 0) return undefined
  if (texts.length > maxStops && !unsupported.meets('stop', `Gemini takes at most ${maxStops} stop sequences.`)) {
    return texts.slice(0, maxStops)
  }
  return texts
}

function modalities(request: ChatRequest): string[] | undefined {
  if (!Array.isArray(request.modalities) || request.modalities.length === 0) return undefined
  return request.modalities.map(name => textOf(name).toUpperCase())
}

/** Gemini speaks 24 kHz 16-bit PCM only, and answers in audio alone. */
function speech(
  request: ChatRequest,
  unsupported: UnsupportedParams,
  config: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const audio = request.audio
  if (!isRecord(audio)) return undefined
  const format = audio['format']
  if (format !== undefined && format !== null && format !== 'pcm16') {
    unsupported.meets('audio.format', 'Gemini returns audio as pcm16 only.')
  }
  config['responseModalities'] = ['AUDIO']
  const voice = audio['voice']
  if (isRecord(voice)) return voice
  return typeof voice === 'string' ? { voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } } } : undefined
}
