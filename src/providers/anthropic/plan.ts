/** Everything about a target that does not change from call to call, worked out once. */

import { type DropPath, parseDropPath } from '../../translate/openai/drop-path.ts'
import type { EncodeOptions } from '../../translate/openai-anthropic/encode-request.ts'
import { defaultBudgets, type ThinkingBudgets } from '../../translate/openai-anthropic/reasoning.ts'
import type { Target } from '../wire.ts'
import { type NativeDefault, nativeDefaults } from './native-defaults.ts'

export interface Plan {
  readonly messagesPath: string
  readonly countTokensPath: string
  readonly modelJson: string
  /** Headers of every call, `anthropic-beta` excepted. */
  readonly headers: Readonly<Record<string, string>>
  /** Betas that the deployment's `extra_headers` ask for. */
  readonly betas: readonly string[]
  /** `litellm_params` for a translated request. */
  readonly defaults: readonly (readonly [field: string, value: unknown])[]
  /** The same in Anthropic's words, for a relayed request. */
  readonly nativeDefaults: readonly NativeDefault[]
  readonly dropPaths: readonly (DropPath & { readonly text: string })[]
  readonly encode: EncodeOptions
}

export const defaultVersion = '2023-06-01'

/** From this API version on, temperature, top_p and top_k are unknown fields (Anthropic's SDK 1.0 dropped them). */
const withoutSampling = '2026-10-21'

/** Versions are dates, so they compare as text. */
export const takesSampling = (version: string): boolean => version < withoutSampling

const plans = new WeakMap<Target, Plan>()

export function planOf(target: Target): Plan {
  let plan = plans.get(target)
  if (plan === undefined) {
    plan = makePlan(target)
    plans.set(target, plan)
  }
  return plan
}

function makePlan(target: Target): Plan {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'anthropic-version': version(target) }
  Object.assign(headers, credential(target))
  for (const [name, value] of Object.entries(target.extraHeaders)) headers[name.toLowerCase()] = value
  const betas = splitBetas(headers['anthropic-beta'])
  delete headers['anthropic-beta']
  const messagesPath = pathOf(target.basePath)
  const budgets = budgetsFrom(process.env)
  return {
    messagesPath,
    countTokensPath: `${messagesPath}/count_tokens`,
    modelJson: JSON.stringify(target.model),
    headers,
    betas,
    defaults: Object.entries(target.defaults).filter(([, value]) => value !== undefined && value !== null),
    nativeDefaults: nativeDefaults(target, budgets),
    dropPaths: target.additionalDropParams.map(text => ({ ...parseDropPath(text), text })),
    encode: {
      model: target.model,
      capabilities: takesSampling(version(target))
        ? target.capabilities
        : { ...target.capabilities, samplingParams: false },
      dropParams: target.dropParams,
      additionalDropParams: target.additionalDropParams,
      allowedOpenaiParams: target.allowedOpenaiParams,
      modifyParams: target.modifyParams,
      budgets,
    },
  }
}

/** `api_version` of a deployment means something else on most vendors; only a date is taken for this header. */
const version = (target: Target): string =>
  target.apiVersion !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(target.apiVersion) ? target.apiVersion : defaultVersion

function credential({ vendor, apiKey, bearerToken }: Target): Record<string, string> {
  if (bearerToken !== undefined) return { authorization: `Bearer ${bearerToken.reveal()}` }
  if (apiKey === undefined) return {}
  const key = apiKey.reveal()
  return vendor.auth === 'x-api-key' || vendor.auth === 'api-key'
    ? { [vendor.auth]: key }
    : { authorization: `Bearer ${key}` }
}

/** People write the base with and without `/v1`, and some paste the whole endpoint. */
function pathOf(basePath: string): string {
  if (basePath.endsWith('/v1/messages')) return basePath
  return basePath.endsWith('/v1') ? `${basePath}/messages` : `${basePath}/v1/messages`
}

export function splitBetas(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map(beta => beta.trim())
    .filter(beta => beta !== '')
}

/** LiteLLM's environment variables for the budget behind each effort word. */
export function budgetsFrom(env: Readonly<Record<string, string | undefined>>): ThinkingBudgets {
  const read = (word: string, fallback: number): number => {
    const value = Number(env[`DEFAULT_REASONING_EFFORT_${word}_THINKING_BUDGET`])
    return Number.isInteger(value) && value > 0 ? value : fallback
  }
  return {
    minimal: read('MINIMAL', defaultBudgets.minimal),
    low: read('LOW', defaultBudgets.low),
    medium: read('MEDIUM', defaultBudgets.medium),
    high: read('HIGH', defaultBudgets.high),
  }
}
