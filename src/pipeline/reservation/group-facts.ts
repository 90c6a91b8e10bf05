import type { ModelFacts } from '../../governance/limits/model-facts.ts'
import type { ModelPrice } from '../../providers/model-price.ts'
import type { ModelGroup } from '../routing/types.ts'

/** What reservations ask of a group, worked out once per group and snapshot. */
export interface GroupFacts extends ModelFacts {
  /** Every price a deployment of the group has, each once. */
  readonly prices: readonly ModelPrice[]
  /** A deployment has no known price. */
  readonly unpriced: boolean
  /** The largest prompt and the longest answer any deployment takes; undefined where one does not say. */
  readonly maxInputTokens: number | undefined
  readonly maxOutputTokens: number | undefined
}

const known = new WeakMap<ModelGroup, GroupFacts>()

export function factsOf(group: ModelGroup): GroupFacts {
  let facts = known.get(group)
  if (facts === undefined) {
    facts = gather(group)
    known.set(group, facts)
  }
  return facts
}

/**
 * A virtual name stands for a choice among models and is none of them: rules that speak of those are asked when one is
 * chosen (`reserveServed`). What the choice may cost at worst is asked of all.
 */
function gather({ name, pattern, deployments, strategy }: ModelGroup): GroupFacts {
  const virtual = strategy !== undefined
  const names = new Set<string>()
  if (pattern !== undefined) names.add(pattern)
  const prices = new Set<ModelPrice>()
  let unpriced = false
  let rpm: number | undefined
  let tpm: number | undefined
  for (const { price, target, rpm: ownRpm, tpm: ownTpm } of deployments) {
    if (price === undefined) unpriced = true
    else prices.add(price)
    if (virtual) continue
    names.add(`${target.vendor.id}/${target.model}`)
    if (ownRpm !== undefined) rpm = (rpm ?? 0) + ownRpm
    if (ownTpm !== undefined) tpm = (tpm ?? 0) + ownTpm
  }
  return {
    name,
    names: [...names],
    prices: [...prices],
    unpriced,
    free: !unpriced && prices.size > 0 && [...prices].every(isFree),
    rpm,
    tpm,
    maxInputTokens: largest(deployments.map(({ target }) => target.capabilities.maxInputTokens)),
    maxOutputTokens: largest(deployments.map(({ target }) => target.capabilities.maxOutputTokens)),
  }
}

function largest(values: readonly (number | undefined)[]): number | undefined {
  let most = 0
  for (const value of values) {
    if (value === undefined) return undefined
    most = Math.max(most, value)
  }
  return most === 0 ? undefined : most
}

/** Stated to cost nothing, in every way a call can be billed. */
function isFree({ bands, serviceTiers, offPeak, request, second, webSearch }: ModelPrice): boolean {
  if ((request ?? 0) > 0 || (second ?? 0) > 0 || webSearch !== undefined) return false
  const all = [...bands, ...(offPeak?.bands ?? []), ...[...(serviceTiers?.values() ?? [])].flat()]
  return all.every(({ rates }) => Object.values(rates).every(rate => rate === 0))
}
