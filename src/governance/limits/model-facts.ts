import type { LimitRule } from './limit-rule.ts'

/** What limits ask of a model group. The same object for every call to the group, while the configuration stands. */
export interface ModelFacts {
  /** The group's name. */
  readonly name: string
  /** Further names that rules may call it by: the wildcard that matched, vendor and model of its deployments. */
  readonly names: readonly string[]
  /** Known to cost nothing: budgets count it and never refuse it. */
  readonly free: boolean
  /** What all its deployments can take together per minute; undefined when none says. */
  readonly rpm: number | undefined
  readonly tpm: number | undefined
}

/** Whether a rule counts calls to this model: by the group's name, another of its names, or a wildcard. */
export function speaksOf(
  { model: wanted }: Pick<LimitRule, 'model'>,
  { name, names }: Pick<ModelFacts, 'name' | 'names'>,
): boolean {
  if (wanted === undefined || wanted === name || names.includes(wanted)) return true
  if (!wanted.includes('*')) return false
  const pattern = new RegExp(`^${wanted.split('*').map(literal).join('.*')}$`, 's')
  return pattern.test(name) || names.some(other => pattern.test(other))
}

const literal = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
