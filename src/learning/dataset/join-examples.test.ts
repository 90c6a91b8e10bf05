import { expect, it } from 'vitest'
import type { Example, Outcome } from './example.ts'
import { joinExamples } from './join-examples.ts'

const outcome = (model: string, cost: number, value: number, more: Partial<Outcome> = {}): Outcome => ({
  model,
  labels: [{ source: 'reference', value, weight: 1 }],
  cost,
  outputTokens: Number.NaN,
  latency: 100 * cost,
  ...more,
})
const example = (id: string, at: number, ...outcomes: Outcome[]): Example => ({
  id,
  text: 't',
  at,
  inputTokens: 10 * at,
  outcomes,
})

it('calls of one model are averaged, and a record that was read twice counts once', () => {
  const joined = joinExamples([
    { source: 0, example: example('r1', 1, outcome('a', 1, 0)) },
    { source: 0, example: example('r2', 3, outcome('a', 3, 1), outcome('b', 7, 1)) },
    // An export that overlaps with itself: the later line is the one that knows of feedback.
    { source: 0, example: example('r1', 1, outcome('a', 2, 1)) },
    // The same id in another file is another call.
    { source: 1, example: example('r1', 2, outcome('a', 7, 1)) },
  ])
  const [a, b] = joined.outcomes
  expect(a).toMatchObject({ model: 'a', cost: 4, latency: 400, outputTokens: Number.NaN })
  expect(a?.labels.map(({ value }) => value)).toEqual([1, 1, 1])
  expect(b).toMatchObject({ model: 'b', cost: 7 })
  expect(joined).toMatchObject({ id: 'r1', at: 3, inputTokens: 17.5 })
})

it('the probability of having seen a model grows with every call that might have gone to it', () => {
  const call = (id: string, propensity?: number) => ({
    source: 0,
    example: example(id, 1, outcome('a', 1, 1, propensity === undefined ? {} : { propensity })),
  })
  expect(joinExamples([call('1', 0.25), call('2', 0.25)]).outcomes[0]?.propensity).toBeCloseTo(1 - 0.75 * 0.75, 12)
  expect(joinExamples([call('1', 0.25), call('2')]).outcomes[0]?.propensity).toBeUndefined()
})
