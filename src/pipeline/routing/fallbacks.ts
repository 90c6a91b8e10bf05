import { type GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { type FallbackMap, type FallbackTarget, parseClientFallbacks } from './fallback-lists.ts'
import type { RoutingSettings } from './settings.ts'

export type { FallbackTarget } from './fallback-lists.ts'

export interface FallbackQuestion {
  /** The group that failed. */
  readonly group: string
  /** The wildcard pattern that made the group, if one did: lists may be keyed by it. */
  readonly pattern?: string | undefined
  readonly failure: GatewayError
  readonly settings: Pick<
    RoutingSettings,
    'fallbacks' | 'contextWindowFallbacks' | 'contentPolicyFallbacks' | 'defaultFallbacks' | 'maxFallbacks'
  >
  /** `fallbacks` of the request body, as it came. Takes the place of every configured list. */
  readonly clientFallbacks?: readonly unknown[] | undefined
  /** `disable_fallbacks: true`. */
  readonly disable?: boolean | undefined
  /** Groups this call has been to. */
  readonly visited?: ReadonlySet<string> | undefined
  /** Fallbacks already taken by this call; counts towards `max_fallbacks`. */
  readonly depth?: number | undefined
}

/** Failures after which nobody waits for another answer, or no other group could give one. */
const final: ReadonlySet<string> = new Set(['client_disconnected', 'shutting_down', 'invalid_api_key', 'no_model_fits'])

/**
 * The groups to try next, in order. One list applies, the first that exists: the caller's own; the group's list for this
 * kind of failure; its general list; the list of `*`; `default_fallbacks`. Never the failed group, never a group twice,
 * never one already visited, at most `max_fallbacks` over the whole call.
 * @throws GatewayError `invalid_request` when the caller's `fallbacks` are malformed.
 */
export function fallbackChain(question: FallbackQuestion): FallbackTarget[] {
  if (question.disable || final.has(question.failure.code)) return []
  const left = question.settings.maxFallbacks - (question.depth ?? 0)
  const chain: FallbackTarget[] = []
  const seen = new Set(question.visited)
  seen.add(question.group)
  for (const target of applicable(question)) {
    if (chain.length >= left) break
    // The same group with other messages or parameters is another attempt, not a repetition.
    if (target.overrides === undefined) {
      if (seen.has(target.model)) continue
      seen.add(target.model)
    }
    chain.push(target)
  }
  return chain
}

function applicable(question: FallbackQuestion): readonly FallbackTarget[] {
  const { settings, failure } = question
  if (question.clientFallbacks !== undefined) {
    return lookUp(parseClientFallbacks(question.clientFallbacks), question) ?? []
  }
  return (
    lookUp(listsFor(failure, settings), question) ?? lookUp(settings.fallbacks, question) ?? settings.defaultFallbacks
  )
}

function lookUp(
  lists: FallbackMap | undefined,
  { group, pattern }: FallbackQuestion,
): readonly FallbackTarget[] | undefined {
  if (lists === undefined || lists.size === 0) return undefined
  return lists.get(group) ?? (pattern === undefined ? undefined : lists.get(pattern)) ?? lists.get('*')
}

function listsFor(failure: GatewayError, settings: FallbackQuestion['settings']): FallbackMap | undefined {
  if (failure.code === 'context_length_exceeded') return settings.contextWindowFallbacks
  if (failure.code === 'content_policy_violation') return settings.contentPolicyFallbacks
  if (!(failure instanceof UpstreamFailure)) return undefined
  if (failure.kind === 'context_window_exceeded') return settings.contextWindowFallbacks
  return failure.kind === 'content_policy_violation' ? settings.contentPolicyFallbacks : undefined
}
