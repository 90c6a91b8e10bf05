import type { TokenPrices } from '../../../learning/objective/expected-cost.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import { guessStrengths } from '../../../learning/rules/strength.ts'
import type { Deployment } from '../../deployment.ts'

/** One model of a pool, with the deployments that serve it. */
export interface Arm {
  /** As data and decisions name it: the artifact's id, else the model group, else the vendor's name. */
  readonly name: string
  /** Place in the artifact's models; −1: it knows no such model. */
  readonly column: number
  /** For a model the artifact does not know: the one whose price is nearest; −1 otherwise. */
  readonly sibling: number
  readonly deployments: readonly Deployment[]
  /** Of the cheapest deployment with a known price, else the artifact's; undefined: nobody knows. */
  readonly prices: TokenPrices | undefined
  /** 0.2..1, guessed from price and name, or stated. */
  readonly strength: number
  /** Known to cost nothing. */
  readonly free: boolean
  readonly reasons: boolean
}

export interface ArmOptions {
  /** Artifact's model → model group or vendor's model. */
  readonly labels: Readonly<Record<string, string>>
  /** What the operator says of models, by any of their names. */
  readonly stated: ReadonlyMap<string, StatedFacts>
}

export interface StatedFacts {
  readonly quality?: number | undefined
  /** US dollars per token. */
  readonly inputPrice?: number | undefined
  readonly outputPrice?: number | undefined
}

/** Models of a pool in the order they appear, deployments of one model together. */
export function armsOf(
  deployments: readonly Deployment[],
  artifact: TrainedRouter | undefined,
  options: ArmOptions,
): Arm[] {
  const columns = columnsByName(artifact, options.labels)
  const members = new Map<string, { name: string; column: number; deployments: Deployment[] }>()
  for (const deployment of deployments) {
    const column = namesOf(deployment)
      .map(name => columns.get(name))
      .find(place => place !== undefined)
    const known = column === undefined ? undefined : artifact?.models[column]?.id
    // Two deployments of one group with different models are two arms; one model in two groups is one.
    const key = known ?? `?${deployment.target.model.toLowerCase()}`
    const member = members.get(key)
    if (member === undefined) {
      const name = known ?? uniqueName(deployment, deployments)
      members.set(key, { name, column: column ?? -1, deployments: [deployment] })
    } else member.deployments.push(deployment)
  }
  const arms = [...members.values()]
  const facts = arms.map(arm => statedFactsOf(arm.deployments, options.stated))
  const prices = arms.map((arm, i) => pricesOf(arm.deployments, artifact, arm.column, facts[i]))
  const strengths = guessStrengths(
    arms.map((arm, i) => ({
      model: arm.deployments[0]?.target.model ?? arm.name,
      price: total(prices[i]),
      quality: facts[i]?.quality,
    })),
  )
  return arms.map((arm, i) => ({
    ...arm,
    sibling: arm.column >= 0 ? -1 : nearestPrice(artifact, total(prices[i])),
    prices: prices[i],
    strength: strengths[i] ?? 0.5,
    free: arm.deployments.some(({ price }) => price !== undefined && price.input === 0 && (price.output ?? 0) === 0),
    reasons: arm.deployments.some(({ target }) => target.capabilities.reasoning === true),
  }))
}

const total = (prices: TokenPrices | undefined): number | undefined =>
  prices === undefined ? undefined : prices.input + prices.output

/** Every name a model may be known by, lower case, the most exact first. */
export function namesOf({ group, target }: Deployment): string[] {
  const { vendor, model, baseModel } = target
  const names = [group, `${vendor.id}/${model}`, model]
  if (baseModel !== undefined) names.push(baseModel)
  for (const name of [model, group]) {
    const slash = name.lastIndexOf('/')
    if (slash >= 0) names.push(name.slice(slash + 1))
  }
  return names.map(name => name.toLowerCase())
}

/** Name here → column of the artifact. What the operator maps wins over what is alike. */
function columnsByName(
  artifact: TrainedRouter | undefined,
  labels: Readonly<Record<string, string>>,
): ReadonlyMap<string, number> {
  const columns = new Map<string, number>()
  const add = (name: string, column: number): void => {
    const key = name.toLowerCase()
    if (!columns.has(key)) columns.set(key, column)
  }
  for (const [column, { id }] of (artifact?.models ?? []).entries()) {
    if (Object.hasOwn(labels, id)) add(labels[id] as string, column)
  }
  for (const [column, { id }] of (artifact?.models ?? []).entries()) add(id, column)
  for (const [column, { id }] of (artifact?.models ?? []).entries()) {
    if (id.includes('/')) add(id.slice(id.lastIndexOf('/') + 1), column)
  }
  return columns
}

/** The model group, as callers know it, where it holds one model; else the vendor's name. */
function uniqueName(deployment: Deployment, all: readonly Deployment[]): string {
  const { group, target } = deployment
  const mixed = all.some(other => other.group === group && other.target.model !== target.model)
  return mixed ? `${target.vendor.id}/${target.model}` : group
}

function statedFactsOf(
  deployments: readonly Deployment[],
  stated: ReadonlyMap<string, StatedFacts>,
): StatedFacts | undefined {
  for (const deployment of deployments) {
    if (deployment.qualityScore !== undefined) return { quality: deployment.qualityScore }
    for (const name of namesOf(deployment)) {
      const facts = stated.get(name)
      if (facts !== undefined) return facts
    }
  }
  return undefined
}

/** Prices of deployments are pico-dollars per token. */
function pricesOf(
  deployments: readonly Deployment[],
  artifact: TrainedRouter | undefined,
  column: number,
  stated: StatedFacts | undefined,
): TokenPrices | undefined {
  let best: TokenPrices | undefined
  for (const { price } of deployments) {
    if (price?.input === undefined) continue
    const input = price.input / 1e12
    const cached = price.bands[0]?.rates.cacheRead
    const own: TokenPrices = {
      input,
      output: (price.output ?? 0) / 1e12,
      cachedInput: cached === undefined || Number.isNaN(cached) ? input : cached / 1e12,
    }
    if (best === undefined || own.input + own.output < best.input + best.output) best = own
  }
  if (best !== undefined) return best
  if (stated?.inputPrice !== undefined) {
    return { input: stated.inputPrice, output: stated.outputPrice ?? 0, cachedInput: stated.inputPrice }
  }
  const model = column < 0 ? undefined : artifact?.models[column]
  return model === undefined
    ? undefined
    : { input: model.inputPrice, output: model.outputPrice, cachedInput: model.inputPrice }
}

/** The artifact's model of the nearest price class, on a logarithmic scale; without a price the middle one by quality. */
function nearestPrice(artifact: TrainedRouter | undefined, price: number | undefined): number {
  if (artifact === undefined || artifact.models.length === 0) return -1
  if (price === undefined) {
    const byQuality = [...artifact.models.keys()].sort(
      (a, b) => (artifact.models[a]?.meanQuality ?? 0) - (artifact.models[b]?.meanQuality ?? 0),
    )
    return byQuality[Math.floor((byQuality.length - 1) / 2)] ?? -1
  }
  let nearest = -1
  let distance = Number.POSITIVE_INFINITY
  for (const [i, model] of artifact.models.entries()) {
    const own = Math.abs(Math.log(model.inputPrice + model.outputPrice + 1e-9) - Math.log(price + 1e-9))
    if (own < distance) {
      distance = own
      nearest = i
    }
  }
  return nearest
}
