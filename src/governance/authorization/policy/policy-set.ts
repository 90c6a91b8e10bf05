import { type AccessQuestion, all, type Condition, compileConditions, type Verdict } from './conditions.ts'
import type { Policy } from './policy.ts'

export interface CompiledPolicy {
  readonly name: string
  readonly effect: 'allow' | 'deny'
  readonly dryRun: boolean
  /** Where it is kept; those of the file come first. */
  readonly source: 'config' | 'database'
  readonly conditions: readonly Condition[]
  readonly exceptions: readonly Condition[]
  /** It speaks of models, tools or tags, be it in its exceptions: routes that call no model are not its business. */
  readonly aboutCalls: boolean
}

/** @throws PolicyInvalid */
export function compilePolicy(policy: Policy, source: CompiledPolicy['source']): CompiledPolicy {
  const { unless } = policy
  const exceptions = unless === undefined ? [] : compileConditions(unless, opposite[policy.effect], 'unless.')
  const all = [policy, unless ?? {}]
  return {
    name: policy.name,
    effect: policy.effect,
    dryRun: policy.dry_run === true,
    source,
    conditions: compileConditions(policy, policy.effect),
    exceptions,
    aboutCalls: all.some(({ models, tools, tags }) => (models ?? tools ?? tags) !== undefined),
  }
}

/** An exception from a deny allows, so that of tools all must be named there. */
const opposite = { allow: 'deny', deny: 'allow' } as const

/** Whether a policy holds for a question. */
export function holds({ conditions, exceptions, aboutCalls }: CompiledPolicy, question: AccessQuestion): Verdict {
  if (aboutCalls && question.call === 'none') return false
  const verdict = all(conditions, question)
  if (verdict === false || exceptions.length === 0) return verdict
  const excepted = all(exceptions, question)
  if (excepted === true) return false
  return excepted === undefined ? undefined : verdict
}

export interface Decision {
  /** `undecided`: it depends on what is in the body. */
  readonly effect: 'allow' | 'deny' | 'undecided'
  /** The policy that decided; undefined: none held, so it is allowed. */
  readonly policy: CompiledPolicy | undefined
  /** Those on dry run that would have decided. */
  readonly dryRuns: readonly CompiledPolicy[]
}

const none: readonly CompiledPolicy[] = []

/** Policies in order: the first that holds decides; where none does, the call is allowed. */
export function decide(policies: readonly CompiledPolicy[], question: AccessQuestion): Decision {
  let dryRuns: CompiledPolicy[] | undefined
  for (const policy of policies) {
    const verdict = holds(policy, question)
    if (verdict === false) continue
    if (policy.dryRun) {
      if (verdict === true) {
        dryRuns ??= []
        dryRuns.push(policy)
      }
      continue
    }
    const effect = verdict === undefined ? 'undecided' : policy.effect
    return { effect, policy: verdict === undefined ? undefined : policy, dryRuns: dryRuns ?? none }
  }
  return { effect: 'allow', policy: undefined, dryRuns: dryRuns ?? none }
}

/** What each policy says to a question, for people who wonder. */
export interface Explained {
  readonly name: string
  readonly effect: 'allow' | 'deny'
  readonly source: 'config' | 'database'
  readonly dry_run: boolean
  readonly holds: boolean
  /** Conditions that do not hold; exceptions that do. */
  readonly because: readonly string[]
}

export function explain(policies: readonly CompiledPolicy[], question: AccessQuestion): readonly Explained[] {
  return policies.map(policy => {
    const failed = policy.conditions.filter(({ holds }) => holds(question) !== true).map(({ name }) => name)
    const excepted = policy.exceptions.length > 0 && all(policy.exceptions, question) === true
    const noCall = policy.aboutCalls && question.call === 'none'
    return {
      name: policy.name,
      effect: policy.effect,
      source: policy.source,
      dry_run: policy.dryRun,
      holds: holds(policy, question) === true,
      because: [...(noCall ? ['no call to a model'] : []), ...failed, ...(excepted ? ['unless'] : [])],
    }
  })
}
