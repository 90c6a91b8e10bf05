import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LiveStats } from '../live-stats.ts'
import { candidate, deployment, features, ManualClock, price, seededRandom } from '../routing.fixtures.ts'
import type { Candidate, LiveView } from '../types.ts'
import { createStrategy, strategyIds } from './index.ts'

/** What is computed when asked for, asked for. */
const seen = ({ inFlight, latency, ttft, tpm, rpm, perToken = false }: LiveView): LiveView => ({
  inFlight,
  latency,
  ttft,
  tpm,
  rpm,
  perToken,
})

const make = (id: string, lowestLatencyBuffer = 0) => createStrategy(id, { lowestLatencyBuffer })
const ids = (ranked: readonly Candidate[]) => ranked.map(({ deployment: { id } }) => id)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

const candidateArbitrary = fc.record({
  weight: maybe(fc.integer({ min: 0, max: 10 })),
  rpm: maybe(fc.integer({ min: 0, max: 1000 })),
  input: maybe(fc.integer({ min: 0, max: 1e9 })),
  inFlight: fc.nat(50),
  latency: maybe(fc.double({ min: 0.01, max: 1e6, noNaN: true })),
  ttft: maybe(fc.double({ min: 0.01, max: 1e6, noNaN: true })),
  tpm: fc.nat(1e6),
})

const listOf = (max: number) =>
  fc
    .array(candidateArbitrary, { minLength: 1, maxLength: max })
    .map(all =>
      all.map(({ weight, rpm, input, ...live }, i) =>
        candidate(deployment(`d${i}`, { weight, rpm, price: input === undefined ? undefined : price(input, 1) }), live),
      ),
    )

describe.each(strategyIds)('%s', id => {
  test('loses and invents no candidate, leaves its input alone, and follows the dice', () => {
    fc.assert(
      fc.property(listOf(40), fc.integer(), fc.boolean(), (candidates, seed, stream) => {
        const before = ids(candidates)
        const call = features({ stream })
        const ranked = make(id).rank(candidates, call, seededRandom(seed))
        expect(ids(ranked).sort()).toEqual([...before].sort())
        expect(ids(candidates)).toEqual(before)
        expect(ids(make(id).rank(candidates, call, seededRandom(seed)))).toEqual(ids(ranked))
        expect(make(id).why(ranked[0]!, candidates, call)).not.toBe('')
        const peers = make(id).interchangeable(ranked, call)
        expect(peers).toBeGreaterThanOrEqual(1)
        expect(peers).toBeLessThanOrEqual(ranked.length)
      }),
    )
  })

  test('breaks ties evenly', () => {
    const live = { latency: 10, ttft: 10, tpm: 5, inFlight: 1 }
    const candidates = [0, 1, 2].map(i => candidate(deployment(`d${i}`, { price: price(1, 1) }), live))
    const random = seededRandom(7)
    const wins = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const first = make(id).rank(candidates, features(), random)[0]!.deployment.id
      wins.set(first, (wins.get(first) ?? 0) + 1)
    }
    for (const d of ['d0', 'd1', 'd2']) expect(wins.get(d)! / 6000).toBeCloseTo(1 / 3, 1)
  })
})

test('an unknown strategy is refused with the known ones named', () => {
  expect(() => make('fastest')).toThrow(/fastest.*simple-shuffle/)
})

describe('simple-shuffle', () => {
  const shares = (candidates: Candidate[], rounds = 20_000) => {
    const random = seededRandom(1)
    const wins = new Map<string, number>(candidates.map(({ deployment: { id } }) => [id, 0]))
    for (let i = 0; i < rounds; i++) {
      const first = make('simple-shuffle').rank(candidates, features(), random)[0]!.deployment.id
      wins.set(first, wins.get(first)! + 1)
    }
    return [...wins.values()].map(count => count / rounds)
  }

  test('shares converge on the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }), weights => {
        const sum = weights.reduce((a, b) => a + b)
        const found = shares(
          weights.map((weight, i) => candidate(deployment(`d${i}`, { weight }))),
          8000,
        )
        for (const [i, weight] of weights.entries()) expect(Math.abs(found[i]! - weight / sum)).toBeLessThan(0.03)
      }),
      { numRuns: 20 },
    )
  })

  test('the second place is drawn by weight among the rest', () => {
    const candidates = [8, 1, 1].map((weight, i) => candidate(deployment(`d${i}`, { weight })))
    const random = seededRandom(3)
    let seconds = 0
    let rounds = 0
    for (let i = 0; i < 20_000; i++) {
      const ranked = ids(make('simple-shuffle').rank(candidates, features(), random))
      if (ranked[0] !== 'd1') continue
      rounds++
      if (ranked[1] === 'd0') seconds++
    }
    expect(seconds / rounds).toBeCloseTo(8 / 9, 1)
  })

  test('weight beats rpm beats tpm, decided by the first deployment; one without the field comes last', () => {
    const both = [
      candidate(deployment('a', { weight: 1, rpm: 1000 })),
      candidate(deployment('b', { weight: 3, rpm: 1 })),
      candidate(deployment('c', { rpm: 1_000_000 })),
    ]
    const [a, b, c] = shares(both)
    expect(a).toBeCloseTo(0.25, 1)
    expect(b).toBeCloseTo(0.75, 1)
    expect(c).toBe(0)
    const byTpm = [candidate(deployment('a', { tpm: 10 })), candidate(deployment('b', { tpm: 30, weight: 99 }))]
    expect(shares(byTpm)[0]).toBeCloseTo(0.25, 1)
    const even = [candidate(deployment('a')), candidate(deployment('b', { weight: 99 }))]
    expect(shares(even)[0]).toBeCloseTo(0.5, 1)
  })

  test('says which weight decided', () => {
    const candidates = [candidate(deployment('a', { weight: 2 })), candidate(deployment('b', { weight: 3 }))]
    expect(make('simple-shuffle').why(candidates[1]!, candidates, features())).toBe('drawn by weight 3 of 5 from 2')
  })
})

describe('least-busy', () => {
  test('keeps the numbers in flight within one of each other, whatever the arrivals and departures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), fc.integer(), (count, seed) => {
        const random = seededRandom(seed)
        const load = new Array<number>(count).fill(0)
        for (let i = 0; i < 500; i++) {
          const candidates = load.map((inFlight, d) => candidate(deployment(String(d)), { inFlight }))
          const chosen = Number(make('least-busy').rank(candidates, features(), random)[0]!.deployment.id)
          load[chosen]! += 1
          if (random() < 0.7) continue
          // Someone finishes at the busiest.
          const busiest = load.indexOf(Math.max(...load))
          load[busiest]! -= 1
          expect(Math.max(...load) - Math.min(...load)).toBeLessThanOrEqual(1)
        }
      }),
    )
  })
})

describe('latency-based-routing', () => {
  const subjects = ['slow', 'fast', 'middle'].map(id => deployment(id))

  function simulate(calls: number, latencyOf: (id: string, call: number) => number, ttl = 60_000) {
    const clock = new ManualClock()
    const live = new LiveStats({ clock, latencyTtl: ttl })
    const random = seededRandom(11)
    const chosen: string[] = []
    for (let i = 0; i < calls; i++) {
      const candidates = subjects.map(d => candidate(d, seen(live.view(d))))
      const first = make('latency-based-routing').rank(candidates, features(), random)[0]!.deployment
      chosen.push(first.id)
      live.started(first)
      clock.advance(1000)
      live.finished(first, {
        latency: latencyOf(first.id, i),
        ttft: undefined,
        stream: false,
        inputTokens: 5,
        outputTokens: 0,
      })
    }
    return chosen
  }

  test('converges on the fastest after one call to each', () => {
    const chosen = simulate(50, id => ({ slow: 900, fast: 50, middle: 300 })[id]!)
    expect(new Set(chosen.slice(0, 3))).toEqual(new Set(['slow', 'fast', 'middle']))
    expect(new Set(chosen.slice(3, 50))).toEqual(new Set(['fast']))
  })

  test('leaves a deployment that turns slow and comes back when it recovers', () => {
    const chosen = simulate(400, (id, call) => {
      if (id === 'fast') return call >= 100 && call < 200 ? 2000 : 50
      return id === 'middle' ? 300 : 900
    })
    const share = (from: number, to: number) => chosen.slice(from, to).filter(id => id === 'fast').length / (to - from)
    expect(share(40, 100)).toBeGreaterThan(0.9)
    expect(share(120, 200)).toBeLessThan(0.15)
    expect(share(300, 400)).toBeGreaterThan(0.9)
  })

  test('an unknown deployment gets one call at a time', () => {
    const known = candidate(subjects[0]!, { latency: 10 })
    const idle = candidate(subjects[1]!)
    const busy = candidate(subjects[2]!, { inFlight: 1 })
    const rank = (all: Candidate[]) => ids(make('latency-based-routing').rank(all, features(), seededRandom(1)))
    expect(rank([known, idle, busy])).toEqual(['fast', 'slow', 'middle'])
  })

  test('streams are judged by time to first token', () => {
    const a = candidate(subjects[0]!, { latency: 1, ttft: 500 })
    const b = candidate(subjects[1]!, { latency: 100, ttft: 20 })
    const strategy = make('latency-based-routing')
    expect(ids(strategy.rank([a, b], features({ stream: true }), seededRandom(1)))).toEqual(['fast', 'slow'])
    expect(ids(strategy.rank([a, b], features(), seededRandom(1)))).toEqual(['slow', 'fast'])
    expect(strategy.why(b, [a, b], features({ stream: true }))).toBe('20.0 ms to first token, best of 2')
  })

  test('draws at random within the buffer', () => {
    const all = [
      candidate(subjects[0]!, { latency: 100 }),
      candidate(subjects[1]!, { latency: 109 }),
      candidate(subjects[2]!, { latency: 200 }),
    ]
    const random = seededRandom(5)
    const firsts = new Set<string>()
    for (let i = 0; i < 100; i++) firsts.add(ids(make('latency-based-routing', 0.1).rank(all, features(), random))[0]!)
    expect(firsts).toEqual(new Set(['slow', 'fast']))
  })
})

describe('cost-based-routing', () => {
  test('the cheapest known price is always first; unknown prices are last', () => {
    fc.assert(
      fc.property(fc.array(maybe(fc.nat(1000)), { minLength: 1, maxLength: 8 }), fc.integer(), (prices, seed) => {
        const all = prices.map((input, i) =>
          candidate(deployment(`d${i}`, { price: input === undefined ? undefined : price(input, 2) })),
        )
        const ranked = make('cost-based-routing').rank(all, features(), seededRandom(seed))
        const order = ranked.map(({ deployment: { price: p } }) => p?.input ?? Number.POSITIVE_INFINITY)
        for (let i = 1; i < order.length; i++) expect(order[i]!).toBeGreaterThanOrEqual(order[i - 1]!)
      }),
    )
  })

  test('input and output both count, and the reason states the price or that it is unknown', () => {
    const a = candidate(deployment('a', { price: price(1_000_000, 9_000_000) }))
    const b = candidate(deployment('b', { price: price(3_000_000, 3_000_000) }))
    const strategy = make('cost-based-routing')
    expect(ids(strategy.rank([a, b], features(), seededRandom(1)))).toEqual(['b', 'a'])
    expect(strategy.why(b, [a, b], features())).toBe('$6 per million tokens (input + output), cheapest of 2')
    const unknown = candidate(deployment('c'))
    expect(strategy.why(unknown, [unknown], features())).toContain('price unknown')
  })
})

describe.each(['usage-based-routing', 'usage-based-routing-v2'])('%s', id => {
  test('tokens decide, not requests', () => {
    const all = [
      candidate(deployment('chatty'), { tpm: 100, rpm: 50 }),
      candidate(deployment('wordy'), { tpm: 5000, rpm: 1 }),
    ]
    const [first] = make(id).rank(all, features(), seededRandom(1))
    expect(first?.deployment.id).toBe('chatty')
    expect(make(id).why(all[0]!, all, features())).toBe('100 tokens in the last minute, fewest of 2')
  })

  test('balances tokens although calls differ in size, and although they overlap', () => {
    const clock = new ManualClock()
    const live = new LiveStats({ clock })
    const random = seededRandom(9)
    const subjects = [0, 1, 2, 3].map(i => deployment(`d${i}`))
    const totals = new Map(subjects.map(d => [d.id, 0]))
    const running: { subject: (typeof subjects)[number]; tokens: number }[] = []
    for (let i = 0; i < 2000; i++) {
      const tokens = 100 + Math.floor(random() * 2000)
      const all = subjects.map(d => candidate(d, seen(live.view(d))))
      const { deployment: subject } = make(id).rank(all, features(), random)[0]!
      live.started(subject, tokens)
      running.push({ subject, tokens })
      totals.set(subject.id, totals.get(subject.id)! + tokens)
      if (running.length >= 20) {
        const done = running.shift()!
        live.finished(
          done.subject,
          { latency: 1, ttft: undefined, stream: false, inputTokens: done.tokens, outputTokens: 0 },
          done.tokens,
        )
      }
      clock.advance(20)
    }
    const values = [...totals.values()]
    expect(Math.max(...values) / Math.min(...values)).toBeLessThan(1.1)
  })
})
