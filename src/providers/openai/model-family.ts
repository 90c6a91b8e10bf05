import type { Capabilities } from '../wire.ts'
import type { BodyEdit } from './body-edit.ts'
import { openaiFields } from './request-fields.ts'

/** OpenAI's model families that restrict the chat parameters. `standard` takes all of them. */
export interface ModelFamily {
  readonly kind: 'standard' | 'gpt5' | 'gpt5-search' | 'o-series'
  /** The N of `gpt-5.N`; 0 for `gpt-5`. */
  readonly minor: number
  /** `reasoning_effort: "none"` is known, and is then also the default. */
  readonly acceptsNone: boolean
}

const standard: ModelFamily = { kind: 'standard', minor: 0, acceptsNone: false }

/**
 * The family a model name belongs to. `gpt-5-chat*` is an ordinary chat model, `gpt-5.N-chat` is not; a route hint
 * (`gpt5_series/name`, `o_series/name`) or `baseModel` stands in for a deployment name that hides the model.
 */
export function familyOf(model: string, baseModel: string | undefined, capabilities: Capabilities): ModelFamily {
  const hint = /^(gpt5_series|o_series)\//.exec(model)?.[1]
  const known = (baseModel ?? model).toLowerCase()
  const name = known.slice(known.lastIndexOf('/') + 1).replace(/^ft:/, '')
  const gpt5 = /^gpt-?5(?:\.(\d+))?(?=$|[-:_])/.exec(name)
  if ((gpt5 !== null && !/^gpt-?5-chat/.test(name)) || (gpt5 === null && hint === 'gpt5_series')) {
    const minor = Number(gpt5?.[1] ?? 0)
    if (name.includes('search')) return { kind: 'gpt5-search', minor, acceptsNone: false }
    const none = acceptsEffort(capabilities, 'none') ?? (minor >= 1 && !/-(pro|codex)/.test(name))
    return { kind: 'gpt5', minor, acceptsNone: none }
  }
  if (hint === 'o_series' || /^o[1-9]($|[-:_])/.test(name)) return { kind: 'o-series', minor: 0, acceptsNone: false }
  return standard
}

/** Whether the price map says that the model takes an effort word; undefined when it does not say. */
function acceptsEffort(capabilities: Capabilities, effort: string): boolean | undefined {
  if (capabilities.effortLevels !== undefined) return capabilities.effortLevels.includes(effort)
  if (effort === 'low' || effort === 'medium' || effort === 'high') return true
  return capabilities.efforts?.includes(effort)
}

export interface FamilyContext {
  readonly family: ModelFamily
  readonly capabilities: Capabilities
  readonly may: { readonly drop: boolean; readonly allowed: readonly string[] }
}

/** Values that ask for nothing: left out without complaint where the parameter is not known. */
const neutral: Readonly<Record<string, unknown>> = {
  presence_penalty: 0,
  frequency_penalty: 0,
  temperature: 1,
  top_p: 1,
  logprobs: false,
  n: 1,
}

const gpt5Unknown = [
  'presence_penalty',
  'frequency_penalty',
  'stop',
  'logit_bias',
  'modalities',
  'prediction',
  'audio',
  'web_search_options',
]
const oSeriesUnknown = ['logprobs', 'top_logprobs', 'top_p', 'presence_penalty', 'frequency_penalty']
const onlyWithoutReasoning = ['top_p', 'logprobs', 'top_logprobs']
const searchKnown: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'stream',
  'stream_options',
  'web_search_options',
  'service_tier',
  'safety_identifier',
  'response_format',
  'user',
  'store',
  'verbosity',
])

/** Applies the family's parameter rules (OpenAI's API reference, "reasoning models"). */
export function applyFamily(edit: BodyEdit, { family, capabilities, may }: FamilyContext): void {
  if (family.kind === 'standard') return
  edit.rename('max_tokens', 'max_completion_tokens')
  const refuse = (key: string) => refuseUnlessNeutral(edit, key, may)

  if (family.kind === 'gpt5-search') {
    for (const key of edit.keys()) if (openaiFields.has(key) && !searchKnown.has(key)) refuse(key)
    return
  }

  if (family.kind === 'gpt5') {
    const effort = edit.get('reasoning_effort')
    if (effort === 'none' && !family.acceptsNone) edit.unsupported('reasoning_effort', may)
    else if (typeof effort === 'string' && acceptsEffort(capabilities, effort) === false)
      edit.unsupported('reasoning_effort', may)
    for (const key of gpt5Unknown) refuse(key)
    const reasons = !(family.acceptsNone && (effort === 'none' || effort === undefined || effort === null))
    if (!reasons) return
    for (const key of onlyWithoutReasoning) refuse(key)
    if (edit.get('temperature') !== 1) refuse('temperature')
    return
  }

  for (const key of oSeriesUnknown) refuse(key)
  if (edit.get('temperature') !== 1) refuse('temperature')
  if (capabilities.functionCalling === false) for (const key of ['tools', 'tool_choice']) refuse(key)
  if (capabilities.parallelFunctionCalling === false) refuse('parallel_tool_calls')
  if (capabilities.responseSchema === false) refuse('response_format')
}

function refuseUnlessNeutral(edit: BodyEdit, key: string, may: FamilyContext['may']): void {
  const value = edit.get(key)
  if (value === undefined || value === null) return
  if (value === neutral[key]) edit.drop(key)
  else edit.unsupported(key, may)
}
