import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { RoutingDecision } from '../../learning/decision.ts'
import { KeptDecision } from './kept-decision.ts'

const number = fc.double({ noNaN: true, min: -1e6, max: 1e6 })
const name = fc.string({ unit: 'grapheme', maxLength: 20 })

const decision: fc.Arbitrary<RoutingDecision> = fc.record({
  strategy: name,
  reason: fc.constantFrom('learned', 'explored', 'rule'),
  because: fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
  chosen: name,
  candidates: fc.array(
    fc.record({
      model: name,
      deployment: name,
      quality: number,
      variance: number,
      cost: fc.oneof(number, fc.constant(Number.NaN)),
      latency: fc.option(number, { nil: undefined }),
      utility: number,
      removedBy: fc.constantFrom('max_cost', 'dominated', undefined),
    }),
    { maxLength: 6 },
  ),
  lambda: number,
  mu: number,
  explored: fc.boolean(),
  propensity: number,
  familiarity: number,
  cluster: fc.integer({ min: -1, max: 100 }),
  artifact: fc.option(name, { nil: undefined }),
  policy: name,
  recorded: fc.constant(false),
  microseconds: fc.nat(),
})

it('is read as it was, whatever was kept in its place before', () => {
  fc.assert(
    fc.property(fc.array(decision, { minLength: 1, maxLength: 5 }), all => {
      const kept = new KeptDecision()
      for (const one of all) {
        kept.keep(one)
        expect(kept.read()).toEqual(one)
      }
    }),
  )
})

it('cuts a long reason between characters', () => {
  const kept = new KeptDecision()
  const [one] = fc.sample(decision, 1) as [RoutingDecision]
  kept.keep({ ...one, because: 'ü'.repeat(200) })
  expect(kept.read().because).toBe('ü'.repeat(128))
})

it('sees what a shadow says later', () => {
  const kept = new KeptDecision()
  const [sample] = fc.sample(decision, 1) as [RoutingDecision]
  const one: RoutingDecision = { ...sample, shadowed: 'abc' }
  kept.keep(one)
  one.shadow = { artifact: 'abc', chosen: 'm', quality: 0.5, cost: 0.1 }
  expect(kept.read().shadow).toEqual(one.shadow)
})
