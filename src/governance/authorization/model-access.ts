import type { ModelAccess } from '../authentication/principal.ts'

/** Names a level may hold that stand for something else. */
export const specialModels = {
  all: 'all-proxy-models',
  team: 'all-team-models',
  none: 'no-default-models',
} as const

/**
 * Whether a list of grants covers a model. A grant is a model name, a wildcard whose only `*` is its last character
 * (`anthropic/*`, `*`), or the name of an access group that the model belongs to. Anything else matches literally:
 * a grant never means more than it says.
 * @param groupsOf access groups of a model group, from `model_info.access_groups`
 */
export function grants(
  models: readonly string[],
  model: string,
  groupsOf: (model: string) => readonly string[],
): boolean {
  for (const grant of models) {
    if (grant === model || grant === specialModels.all || grant === '*') return true
    if (grant.endsWith('*') && model.startsWith(grant.slice(0, -1)) && grant.indexOf('*') === grant.length - 1) {
      return true
    }
  }
  const groups = groupsOf(model)
  return groups.length > 0 && models.some(grant => groups.includes(grant))
}

/** The first level that does not grant the model; undefined: every level does. */
export function refusingLevel(
  access: readonly ModelAccess[],
  model: string,
  groupsOf: (model: string) => readonly string[],
): ModelAccess | undefined {
  return access.find(({ models }) => !grants(models, model, groupsOf))
}
