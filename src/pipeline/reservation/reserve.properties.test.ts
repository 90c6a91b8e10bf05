import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rulesOf } from '../../governance/limits/rules.ts'
import { asking, groupOf, holder, priced, used, world } from './reservation.fixtures.ts'
import type { Reservation } from './reservation.ts'
import { settleReservation } from './settle-reservation.ts'

/** Steps of many calls in any order; a number names which of the open calls. */
type Step =
  | { readonly kind: 'begin'; readonly maxTokens: number; readonly model: 'a' | 'b' }
  | { readonly kind: 'end'; readonly which: number; readonly share: number }
  | { readonly kind: 'fail' | 'crash'; readonly which: number }
  | { readonly kind: 'wait'; readonly ms: number }

const which = fc.nat(1000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('begin' as const),
      maxTokens: fc.integer({ min: 1, max: 400 }),
      model: fc.constantFrom('a' as const, 'b' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      which,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('fail' as const, 'crash' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
)

const limits = { requests: 12, tokens: 1500, parallel: 4, budget: 9_000_000 }
const rules = [
  ...rulesOf('team', 't', { max_parallel_requests: limits.parallel, max_budget: limits.budget / 1e9 }),
  ...rulesOf('key', 'k', {
    limits: [
      { metric: 'requests', limit: limits.requests, window: '30d' },
      { metric: 'tokens', limit: limits.tokens, window: '30d' },
    ],
    model_max_budget: { b: limits.budget / 4e9 },
  }),
]
const names = {
  requests: 'key:k:requests:per-30d',
  tokens: 'key:k:tokens:per-30d',
  parallel: 'team:t:parallel:all',
  budget: 'team:t:budget:all',
  ofModel: 'key:k:budget:all:b',
}

/** Rare by chance: the only call of its time, and dearer than the whole budget of its model. */
const overdrawing: Step[] = [
  { kind: 'begin', maxTokens: 400, model: 'b' },
  { kind: 'end', which: 0, share: 1 },
]

describe('in any interleaving of calls that begin, end, fail, crash and wait', () => {
  it('limits hold within their bounds, and what is left at the end is what was used, to the unit', async () => {
    let refused = 0
    let overdrawn = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async steps => {
        const own = world()
        const groups = { a: groupOf('a', { price: priced }), b: groupOf('b', { price: priced }) }
        const principal = holder(rules)
        const open: { reservation: Reservation; model: 'a' | 'b'; maxTokens: number }[] = []
        const truth = { requests: 0, tokens: 0, budget: 0, ofModel: 0 }
        const largest = { tokens: 0, budget: 0 }
        const at = (name: keyof typeof names) => own.read(names[name])
        for (const next of steps) {
          if (next.kind === 'wait') {
            // As `Renewals` does while calls run; a crashed process does it no longer.
            await own.state.renew(
              open.map(({ reservation }) => reservation.id),
              60_000,
            )
            own.clock.advance(next.ms)
          } else if (next.kind === 'begin') {
            const call = asking(principal, { group: groups[next.model] }, { max_tokens: next.maxTokens })
            try {
              const reservation = (await own.reservations.reserve(own.limits, call))!
              open.push({ reservation, model: next.model, maxTokens: next.maxTokens })
            } catch (error) {
              expect(error).toMatchObject({ status: 429 })
              refused++
            }
          } else if (open.length > 0) {
            const [ended] = open.splice(next.which % open.length, 1)
            const { reservation, model, maxTokens } = ended!
            if (next.kind === 'fail') reservation.refund()
            if (next.kind === 'end') {
              const output = Math.floor(maxTokens * next.share)
              const cost = 1000 + output * 10_000
              settleReservation(reservation, { error: undefined, usage: used(1, output), cost, answered: true })
              truth.requests += 1
              truth.tokens += 1 + output
              truth.budget += cost
              if (model === 'b') truth.ofModel += cost
              largest.tokens = Math.max(largest.tokens, 1 + output)
              largest.budget = Math.max(largest.budget, cost)
            }
          }
          const requests = await at('requests')
          expect(requests.used + requests.reserved).toBeLessThanOrEqual(limits.requests)
          expect((await at('parallel')).reserved).toBeLessThanOrEqual(limits.parallel)
          // One call at a time may overdraw, and by less than it uses itself.
          const budget = (await at('budget')).used
          expect(budget).toBeLessThan(limits.budget + Math.max(1, largest.budget))
          expect((await at('tokens')).used).toBeLessThan(limits.tokens + Math.max(1, largest.tokens))
          const ofModel = (await at('ofModel')).used
          if (ofModel > limits.budget / 4) overdrawn++
          expect(ofModel).toBeLessThan(limits.budget / 4 + Math.max(1, largest.budget))
        }
        for (const { reservation } of open) reservation.refund()
        own.clock.advance(61_000)
        for (const name of ['requests', 'tokens', 'budget', 'ofModel'] as const) {
          expect(await at(name), name).toMatchObject({ used: truth[name], reserved: 0 })
        }
        expect(await at('parallel')).toMatchObject({ used: 0, reserved: 0 })
        await own.reservations.close()
      }),
      { numRuns: 100, examples: [[overdrawing]] },
    )
    expect(refused, 'limits were reached').toBeGreaterThan(100)
    expect(overdrawn, 'and a budget overdrawn').toBeGreaterThan(0)
  })
})
