import type { DecisionReason } from '../../../learning/decision.ts'
import { matchRule, type RuleSubject } from '../../../learning/rules/request-rules.ts'
import type { RoutingContext } from '../types.ts'
import type { RoutePolicy } from './route-policy.ts'

/** Model groups that a rule, a topic or a tier wants first. */
export interface Preference {
  readonly reason: DecisionReason
  readonly because: string
  /** In this order. */
  readonly groups: readonly string[]
  /** No other group may be tried. */
  readonly only: boolean
}

/** Rules, then topics, then tiers; the first that has something to say. Undefined: the predictions decide. */
export function preferenceOf(policy: RoutePolicy, context: RoutingContext): Preference | undefined {
  const { rules, intents, complexity, defaultModel } = policy
  if (rules.length > 0) {
    const rule = matchRule(rules, subjectOf(context))
    if (rule !== undefined) {
      return { reason: 'rule', because: `rule ${rule.name}`, groups: rule.models, only: true }
    }
  }
  if (intents !== undefined) {
    const found = intents.match(context.prompt.text)
    if (found !== undefined) {
      const { intent, likeness } = found
      const groups = defaultModel === undefined ? intent.models : [...intent.models, defaultModel]
      return {
        reason: 'intent',
        because: `intent ${intent.name}, likeness ${likeness.toFixed(2)}`,
        groups,
        only: false,
      }
    }
  }
  if (complexity !== undefined) {
    const { tier, because } = complexity.scorer.score(context.prompt.text)
    const groups = complexity.tiers[tier] ?? []
    if (groups.length > 0) {
      return { reason: 'complexity', because: `${tier}: ${because}`, groups, only: false }
    }
  }
  if (defaultModel === undefined) return undefined
  return { reason: 'default', because: 'no route matches: the default model', groups: [defaultModel], only: false }
}

const subjectOf = (context: RoutingContext): RuleSubject => ({
  tags: context.tags,
  userAgent: context.userAgent,
  text: () => context.prompt.text,
})
