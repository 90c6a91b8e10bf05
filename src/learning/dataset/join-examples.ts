import type { Example, Outcome } from './example.ts'

/** An example and the number of the file it came from. */
export interface Sourced {
  readonly source: number
  readonly example: Example
}

/**
 * One prompt out of all that is known of it. Numbers of repeated calls are averaged, labels put together. The same
 * record read twice (file, id and model are equal) counts once, the later one: exports overlap.
 */
export function joinExamples(same: readonly Sourced[]): Example {
  const [first] = same
  if (first === undefined) throw new RangeError('nothing to join')
  const records = new Map<string, Outcome>()
  for (const { source, example } of same)
    for (const outcome of example.outcomes) records.set(JSON.stringify([source, example.id, outcome.model]), outcome)
  const byModel = new Map<string, Outcome[]>()
  for (const outcome of records.values()) {
    const calls = byModel.get(outcome.model)
    if (calls === undefined) byModel.set(outcome.model, [outcome])
    else calls.push(outcome)
  }
  const examples = same.map(({ example }) => example)
  const pick = <T>(value: (example: Example) => T | undefined): T | undefined =>
    examples.map(value).find(found => found !== undefined)
  const [system, shape, group, task, split, reference] = [
    pick(({ system }) => system),
    pick(({ shape }) => shape),
    pick(({ group }) => group),
    pick(({ task }) => task),
    pick(({ split }) => split),
    pick(({ reference }) => reference),
  ]
  const times = examples.flatMap(({ at }) => (at === undefined ? [] : [at]))
  return {
    id: first.example.id,
    text: first.example.text,
    ...(system !== undefined && { system }),
    ...(shape !== undefined && { shape }),
    ...(group !== undefined && { group }),
    ...(task !== undefined && { task }),
    ...(split !== undefined && { split }),
    ...(reference !== undefined && { reference }),
    ...(times.length > 0 && { at: Math.max(...times) }),
    inputTokens: mean(examples.map(({ inputTokens }) => inputTokens)),
    outcomes: [...byModel].map(([model, calls]) => ({
      model,
      ...seenWith(calls),
      labels: calls.flatMap(({ labels }) => labels),
      cost: mean(calls.map(({ cost }) => cost)),
      outputTokens: mean(calls.map(({ outputTokens }) => outputTokens)),
      latency: mean(calls.map(({ latency }) => latency)),
    })),
  }
}

/** Of the known numbers; NaN without any. */
function mean(values: readonly number[]): number {
  const known = values.filter(value => !Number.isNaN(value))
  return known.reduce((sum, value) => sum + value, 0) / known.length
}

/** Of several calls of one prompt, each of which might have gone elsewhere: that at least one came to this model. */
function seenWith(calls: readonly Outcome[]): { readonly propensity?: number } {
  if (calls.some(({ propensity }) => propensity === undefined)) return {}
  return { propensity: 1 - calls.reduce((none, { propensity }) => none * (1 - (propensity ?? 1)), 1) }
}
