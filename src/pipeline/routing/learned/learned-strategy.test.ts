import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { deployment, features, price } from '../routing.fixtures.ts'
import { cheap, contextOf, dear, groupOf, inLoop, kept, stubRouter, world } from './learned.fixtures.ts'
import { modelHash } from './session-memory.ts'

const byWord = stubRouter('a1', ({ text }) =>
  text.includes('hard') ? { cheap: 0.3, dear: 0.9 } : { cheap: 0.8, dear: 0.82 },
)
const first = (ranking: { ranked: readonly { deployment: { id: string } }[] } | undefined): string | undefined =>
  ranking?.ranked[0]?.deployment.id

describe('a learned strategy', () => {
  it('chooses by quality less cost, and ranks the rest behind', () => {
    const { decide } = world(byWord)
    const hard = decide(contextOf('hard'))
    expect(hard?.ranked.map(({ deployment: { id } }) => id)).toEqual(['dear-1', 'cheap-1'])
    expect(hard?.decision).toMatchObject({ chosen: 'dear', artifact: 'a10000000000', propensity: 1, reason: 'learned' })
    expect(first(decide(contextOf('easy')))).toBe('cheap-1')
  })

  it('walks on with its decision on a retry', () => {
    const { decide } = world(byWord)
    const context = contextOf('hard')
    const made = decide(context)
    const again = decide(context, [cheap])
    expect(first(again)).toBe('cheap-1')
    expect(again?.decision).toBe(made?.decision)
    expect(decide(context, [])?.ranked).toEqual([])
  })

  it('fails open and counts it: errors, and decisions that take too long three times in a row', () => {
    const broken = world(
      stubRouter('b1', () => {
        throw new Error('no')
      }),
    )
    expect(broken.decide(contextOf('x'))).toBeUndefined()
    expect(broken.passedOver).toEqual(['error'])
    const slow = world(byWord, { args: { time_limit_ms: 0 } })
    expect(slow.decide(contextOf('x'))).toBeDefined()
    expect(slow.decide(contextOf('x'))).toBeDefined()
    expect(slow.decide(contextOf('x'))).toBeUndefined()
    expect(slow.decide(contextOf('x'))).toBeUndefined()
    expect(slow.passedOver).toEqual(['over_time', 'over_time'])
    slow.clock.advance(1001)
    expect(slow.decide(contextOf('x'))).toBeDefined()
  })

  it('one model is no choice', () => {
    const { decide } = world(byWord, {
      group: groupOf(cheap, deployment('cheap-2', { group: 'cheap', model: 'up-cheap' })),
    })
    expect(decide(contextOf('hard'))).toBeUndefined()
  })

  it('matches models by mapping, group, name at the vendor and name without its vendor', () => {
    const router = stubRouter('c1', () => ({ 'meta/llama-3': 0.1, 'gpt-x': 0.9, other: 0.1 }), [
      'meta/llama-3',
      'gpt-x',
      'other',
    ])
    const group = groupOf(
      deployment('d1', { group: 'my-llama', model: 'LLaMA-3', price: price(1e5, 1e5) }),
      deployment('d2', { group: 'chat', model: 'azure-name', price: price(1e5, 1e5) }),
      deployment('d3', { group: 'other', model: 'whatever', price: price(1e5, 1e5) }),
    )
    const decision = world(router, { group, args: { label_mapping: { 'gpt-x': 'azure-name' } } }).decide(
      contextOf('x'),
    )?.decision
    expect(decision?.candidates.map(({ model, deployment: id }) => [model, id])).toEqual([
      ['meta/llama-3', 'd1'],
      ['gpt-x', 'd2'],
      ['other', 'd3'],
    ])
    expect(decision?.chosen).toBe('gpt-x')
  })

  it('a model the artifact does not know has the mean of the one whose price is nearest', () => {
    const group = groupOf(cheap, dear, deployment('new-1', { group: 'new', model: 'new', price: price(1.1e6, 4.1e6) }))
    const decision = world(byWord, { group }).decide(contextOf('hard'))?.decision
    expect(decision?.candidates.find(({ model }) => model === 'new')).toMatchObject({ quality: 0.6, variance: 0.05 })
  })

  it('a price that changes moves the choice without retraining', () => {
    const almost = stubRouter('e1', () => ({ cheap: 0.8, dear: 0.9 }))
    expect(first(world(almost, { args: { lambda: 0.3 } }).decide(contextOf('x')))).toBe('cheap-1')
    const now = deployment('dear-1', { group: 'dear', model: 'up-dear', price: price(1.2e5, 4.2e5) })
    expect(first(world(almost, { args: { lambda: 0.3 }, group: groupOf(cheap, now) }).decide(contextOf('x')))).toBe(
      'dear-1',
    )
  })

  it('a model retired or added is a column dropped or added, nothing more', () => {
    const third = stubRouter('f1', () => ({ cheap: 0.2, dear: 0.9, gone: 1 }), ['cheap', 'dear', 'gone'])
    expect(world(third).decide(contextOf('x'))?.decision.candidates).toHaveLength(2)
  })

  it('hard constraints do not fail open', () => {
    const { decide, passedOver } = world(byWord)
    expect(() => decide(contextOf('x', { overrides: { maxCost: 0 } }))).toThrow(GatewayError)
    expect(passedOver).toEqual([])
  })

  it('tells of a model that the filters closed to the caller', () => {
    const { strategy } = world(byWord)
    const group = { ...groupOf(cheap, dear), strategy }
    const ranking = strategy.decide({
      group,
      kept: kept([cheap]),
      dropped: [undefined, 'not_allowed'],
      features: features({ routing: contextOf('hard') }),
      random: () => 0.999,
    })
    expect(ranking?.ranked.map(({ deployment: { id } }) => id)).toEqual(['cheap-1'])
    expect(ranking?.decision.candidates).toContainEqual(
      expect.objectContaining({ model: 'dear', removedBy: 'not_allowed' }),
    )
  })

  it('keeps to its session and never leaves it in a tool loop, but for what it may not use', () => {
    const { decide, services, clock } = world(byWord, { args: { switch_margin: 0 } })
    services.sessions.remember(1, modelHash('cheap'), clock.now())
    const loop = contextOf('hard', { prompt: inLoop('hard') })
    expect(decide(loop)?.decision).toMatchObject({ chosen: 'cheap', reason: 'tool_loop' })
    expect(decide(contextOf('hard', { prompt: inLoop('hard'), conversation: 2 }))?.decision.chosen).toBe('dear')
    expect(decide(contextOf('hard', { prompt: inLoop('hard') }), [dear])?.decision.chosen).toBe('dear')
    clock.advance(3_600_001)
    expect(decide(contextOf('hard', { prompt: inLoop('hard') }))?.decision.chosen).toBe('dear')
  })

  it('prices the prompt cache that a change of model would lose', () => {
    const even = stubRouter('g1', () => ({ cheap: 0.8, dear: 0.83 }))
    const long = { ...inLoop('x'), shape: { ...inLoop('x').shape, inToolLoop: false, historyCharacters: 40_000 } }
    const ask = (seen: boolean): string | undefined => {
      const { decide, services, clock } = world(even, { args: { switch_margin: 0, lambda: 0.01 } })
      if (seen) services.sessions.remember(1, modelHash('dear'), clock.now())
      return decide(contextOf('x', { prompt: long, inputCharacters: 40_000 }))?.decision.chosen
    }
    // $0.01 of input at full price, $0.001 from the cache.
    expect(ask(false)).toBe('cheap')
    expect(ask(true)).toBe('dear')
  })
})

it('without an artifact, cold_start: shuffle draws evenly and writes down how likely that was', () => {
  const { decide } = world(undefined, { args: { cold_start: 'shuffle' } })
  const counts: Record<string, number> = {}
  for (let call = 0; call < 400; call++) {
    const decision = decide(contextOf('x'), undefined, Math.random)?.decision
    expect(decision).toMatchObject({ propensity: 0.5, explored: true })
    counts[decision?.chosen ?? ''] = (counts[decision?.chosen ?? ''] ?? 0) + 1
  }
  // Binomial(400, 0.5): 200 ± 10; six standard deviations.
  expect(counts['cheap']).toBeGreaterThan(140)
  expect(counts['dear']).toBeGreaterThan(140)
})

describe('the loop', () => {
  const other = stubRouter('z9', () => ({ cheap: 0.1, dear: 0.99 }))

  it('a canary decides for its share, a shadow says afterwards what it would have done', async () => {
    const canary = world(undefined, {
      loop: {
        assign: (_router, key) => ({
          artifact: key === 'in' ? other : byWord,
          strategy: undefined,
          shadow: key === 'in' ? undefined : other,
          assignment: { experiment: 'rollout', arm: key === 'in' ? 'candidate' : 'control' },
          reason: key === 'in' ? 'canary' : undefined,
        }),
      },
    })
    expect(canary.decide(contextOf('easy', { stickyKey: 'in' }))?.decision).toMatchObject({
      chosen: 'dear',
      reason: 'canary',
      artifact: 'z90000000000',
      assignment: { experiment: 'rollout', arm: 'candidate' },
    })
    const out = canary.decide(contextOf('easy', { stickyKey: 'out' }))?.decision
    expect(out).toMatchObject({ chosen: 'cheap', artifact: 'a10000000000' })
    expect(out?.shadow).toBeUndefined()
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(out?.shadow).toEqual({
      artifact: 'z90000000000',
      chosen: 'dear',
      quality: expect.closeTo(0.99, 5),
      cost: expect.any(Number),
    })
  })

  it('an arm of an experiment decides by another strategy', () => {
    const { decide } = world(undefined, {
      loop: {
        assign: () => ({
          artifact: byWord,
          strategy: 'simple-shuffle',
          shadow: undefined,
          assignment: { experiment: 'ab', arm: 'b' },
          reason: 'experiment',
        }),
      },
    })
    const seen = new Set(
      Array.from({ length: 40 }, () => decide(contextOf('hard'), undefined, Math.random)?.decision.chosen),
    )
    expect([...seen].sort()).toEqual(['cheap', 'dear'])
    expect(decide(contextOf('hard'))?.decision).toMatchObject({ strategy: 'simple-shuffle', reason: 'experiment' })
  })

  it('feedback moves a prediction, of its own artifact, cell and model only', () => {
    const { decide } = world(byWord, {
      loop: {
        posterior: (artifact, cluster, model) =>
          artifact === 'a10000000000' && cluster === 0 && model === 'dear'
            ? { weight: 300, reward: 0, events: 300 }
            : undefined,
      },
    })
    const decision = decide(contextOf('hard'))?.decision
    expect(decision?.candidates.find(({ model }) => model === 'dear')?.quality).toBeCloseTo(0.7, 5)
    expect(decision?.candidates.find(({ model }) => model === 'cheap')?.quality).toBeCloseTo(0.3, 5)
  })

  it('explores more when it is told to, up to 5 %, and writes down how likely it was', () => {
    const near = stubRouter('h1', () => ({ cheap: 0.8, dear: 0.82 }))
    const { decide } = world(near, { args: { exploration: 0.02 }, loop: { exploration: () => 10 } })
    const decision = decide(contextOf('x'), undefined, () => 0.049)?.decision
    expect(decision?.propensity).toBeCloseTo(0.975, 10)
    const explored = decide(contextOf('x'), undefined, sequence(0.049, 0.99))?.decision
    expect(explored).toMatchObject({ explored: true, reason: 'explored', chosen: 'dear', propensity: 0.025 })
  })
})

function sequence(...values: number[]): () => number {
  let i = 0
  return () => values[Math.min(i++, values.length - 1)] as number
}
