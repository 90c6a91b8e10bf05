import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { LiveStats } from './live-stats.ts'
import { RecentMean } from './recent-mean.ts'
import { deployment, ManualClock } from './routing.fixtures.ts'
import { SlidingWindow } from './sliding-window.ts'

const outcome = (latency: number, outputTokens = 0, ttft?: number) => ({
  latency,
  ttft,
  stream: ttft !== undefined,
  inputTokens: 10,
  outputTokens,
})

test('the window holds exactly what the last 60 one-second buckets received', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20_000), fc.nat(100)), { maxLength: 60 }), steps => {
      const window = new SlidingWindow()
      const log: { second: number; amount: number }[] = []
      let now = 5000
      for (const [pause, amount] of steps) {
        now += pause
        window.add(now, amount)
        log.push({ second: Math.floor(now / 1000), amount })
        const oldest = Math.floor(now / 1000) - 59
        const expected = log.filter(({ second }) => second >= oldest).reduce((sum, entry) => sum + entry.amount, 0)
        expect(window.total(now)).toBe(expected)
      }
    }),
  )
})

test('the window says when the oldest amount leaves', () => {
  const window = new SlidingWindow()
  expect(window.untilNextExpiry(500)).toBe(0)
  window.add(1500, 1)
  window.add(30_000, 1)
  const wait = window.untilNextExpiry(31_000)
  expect(window.total(31_000 + wait - 1)).toBe(2)
  expect(window.total(31_000 + wait)).toBe(1)
})

test('the mean is that of the last samples that are still fresh', () => {
  const mean = new RecentMean(3)
  expect(mean.mean(0)).toBeUndefined()
  for (const [at, value] of [
    [0, 100],
    [1, 10],
    [2, 20],
    [3, 30],
  ] as const) {
    mean.add(at, value, 1000)
  }
  expect(mean.mean(4)).toBe(20)
  expect(mean.mean(1002)).toBe(30)
  expect(mean.mean(1003)).toBeUndefined()
})

describe('LiveStats', () => {
  const setUp = (options = {}) => {
    const clock = new ManualClock()
    return { clock, live: new LiveStats({ clock, ...options }), a: deployment('a') }
  }

  test('counts calls in flight, requests and tokens; prompt tokens count from the start', () => {
    const { clock, live, a } = setUp()
    live.started(a, 7)
    live.started(a, 5)
    expect(live.view(a)).toMatchObject({ inFlight: 2, rpm: 2, tpm: 12 })
    live.finished(a, outcome(100, 20), 7)
    expect(live.view(a)).toMatchObject({ inFlight: 1, tpm: 35 })
    live.aborted(a, 5)
    expect(live.view(a)).toMatchObject({ inFlight: 0, rpm: 2, tpm: 30 })
    clock.advance(61_000)
    expect(live.view(a)).toMatchObject({ rpm: 0, tpm: 0 })
  })

  test('latency is per output token; an answer without tokens then is no sample', () => {
    const { live, a } = setUp()
    for (const o of [outcome(1000, 10), outcome(3000, 10), outcome(9000, 0)]) {
      live.started(a)
      live.finished(a, o)
    }
    expect(live.view(a).latency).toBe(200)
    const embeddings = deployment('e')
    live.started(embeddings)
    live.finished(embeddings, outcome(40))
    expect(live.view(embeddings).latency).toBe(40)
  })

  test('a timeout counts as 1000 s, for a minute; other failures are no latency', () => {
    const { clock, live, a } = setUp()
    live.started(a)
    live.finished(a, outcome(100, 10, 30))
    live.started(a)
    live.failed(a, new UpstreamFailure('internal_server', 'x'))
    expect(live.view(a).latency).toBe(10)
    live.started(a)
    live.failed(a, new UpstreamFailure('timeout', 'x'))
    expect(live.view(a).latency).toBe((10 + 1_000_000) / 2)
    expect(live.view(a).ttft).toBe((30 + 1_000_000) / 2)
    clock.advance(60_001)
    expect(live.view(a)).toMatchObject({ latency: 10, ttft: 30 })
  })

  test('never goes below zero in flight', () => {
    const { live, a } = setUp()
    live.aborted(a)
    live.started(a)
    expect(live.view(a).inFlight).toBe(1)
  })

  test('a reload forgets deployments that are gone, busy ones when their last call ends', () => {
    const { live, a } = setUp()
    const b = deployment('b')
    const c = deployment('c')
    for (const d of [a, b, c]) live.started(d)
    live.finished(a, outcome(5))
    live.finished(c, outcome(5))
    live.prune([c])
    expect(live.size).toBe(2)
    expect(live.view(b).inFlight).toBe(1)
    live.aborted(b)
    expect(live.size).toBe(1)
    expect(live.view(c).latency).toBe(5)
  })

  test('is bounded, and what is busy stays', () => {
    const { live } = setUp({ maxEntries: 10 })
    const busy = deployment('busy')
    live.started(busy)
    for (let i = 0; i < 1000; i++) live.view(deployment(`d${i}`))
    expect(live.size).toBe(10)
    expect(live.view(busy).inFlight).toBe(1)
  })
})
