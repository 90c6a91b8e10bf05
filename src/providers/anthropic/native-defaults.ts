import { effortWord, reasoningOf, type ThinkingBudgets } from '../../translate/openai-anthropic/reasoning.ts'
import { isObject } from '../../translate/openai-anthropic/types.ts'
import { openaiFields } from '../openai/request-fields.ts'
import type { Target } from '../wire.ts'

/** A configured field for requests in Anthropic's dialect, sent when the caller did not set it. */
export interface NativeDefault {
  readonly field: string
  readonly json: string
  /** Refused by the vendor next to thinking; left out when the caller turns thinking on. */
  readonly sampling: boolean
}

/** OpenAI fields that Anthropic knows under the same name. */
const shared: ReadonlySet<string> = new Set(['max_tokens', 'temperature', 'top_p', 'service_tier', 'metadata'])
const sampling: ReadonlySet<string> = new Set(['temperature', 'top_p', 'top_k'])

/** `litellm_params` in Anthropic's words. Fields that only OpenAI's dialect has mean nothing in a relayed request. */
export function nativeDefaults(target: Target, budgets: ThinkingBudgets): NativeDefault[] {
  const fields = new Map<string, unknown>()
  for (const [field, value] of Object.entries(target.defaults)) {
    if (value !== undefined && value !== null) addDefault(field, value, target, budgets, fields)
  }
  const extra = target.defaults['extra_body']
  if (isObject(extra)) for (const [field, value] of Object.entries(extra)) fields.set(field, value)
  fields.delete('model')
  fields.delete('stream')
  return [...fields].map(([field, value]) => ({ field, json: JSON.stringify(value), sampling: sampling.has(field) }))
}

function addDefault(
  field: string,
  value: unknown,
  target: Target,
  budgets: ThinkingBudgets,
  into: Map<string, unknown>,
): void {
  switch (field) {
    case 'extra_body':
      return
    case 'max_completion_tokens':
      if (!into.has('max_tokens')) into.set('max_tokens', value)
      return
    case 'stop':
      into.set('stop_sequences', Array.isArray(value) ? value : [value])
      return
    case 'user':
      into.set('metadata', { user_id: value })
      return
    case 'reasoning_effort': {
      const word = effortWord(value)
      const reasoning = word === undefined ? undefined : reasoningOf(word, target.model, target.capabilities, budgets)
      if (reasoning?.thinking !== undefined) into.set('thinking', reasoning.thinking)
      if (reasoning?.effort !== undefined) into.set('output_config', { effort: reasoning.effort })
      return
    }
    default:
      if (shared.has(field) || !openaiFields.has(field)) into.set(field, value)
  }
}
