import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { record } from '../ledger.fixtures.ts'
import type { SpendRecord } from '../spend-record.ts'
import { decodeRecord, encodeRecord } from './record-line.ts'

const there = (line: string): SpendRecord => decodeRecord(JSON.parse(line) as unknown[])

/** Short well-formed text without U+0000, which is replaced. */
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter(value => !value.includes('\0'))
const maybe = fc.option(text, { nil: undefined })
const count = fc.maxSafeNat()
const millis = fc.nat(10_000_000).map(micros => micros / 1000)

const anyRecord: fc.Arbitrary<SpendRecord> = fc.record({
  id: text,
  callId: maybe,
  startedAt: count,
  endedAt: count,
  route: text,
  operation: text,
  status: fc.integer({ min: 100, max: 599 }),
  error: maybe,
  caller: fc.record({
    token: maybe,
    keyAlias: maybe,
    userId: maybe,
    teamId: maybe,
    organizationId: maybe,
    projectId: maybe,
    agentId: maybe,
    endUser: maybe,
    sessionId: maybe,
    address: maybe,
  }),
  model: text,
  modelGroup: maybe,
  deploymentId: maybe,
  provider: maybe,
  upstreamModel: maybe,
  cost: count,
  unpriced: fc.boolean(),
  costLines: fc.array(fc.record({ item: text, units: count, cost: count }), { maxLength: 5 }),
  tokens: fc.record({ input: count, output: count, cacheRead: count, cacheWrite: count, reasoning: count }),
  stream: fc.boolean(),
  cacheHit: fc.boolean(),
  attempts: count,
  fallbacks: count,
  latency: fc.record({
    total: millis,
    upstream: millis,
    overhead: millis,
    ttft: fc.option(millis, { nil: undefined }),
  }),
  tags: fc.array(text, { maxLength: 5 }),
  metadata: fc.option(fc.dictionary(text, fc.jsonValue()), { nil: undefined }),
})

describe('a record as a line', () => {
  it('comes back as it was, on one line', () => {
    fc.assert(
      fc.property(anyRecord, given => {
        const line = encodeRecord(given)
        expect(line).not.toContain('\n')
        // JSON knows no -0.
        const expected = given.metadata === undefined ? given : { ...given, metadata: plain(given.metadata) }
        expect(there(line)).toEqual(expected)
      }),
    )
  })

  it('is JSON whatever the fields hold', () => {
    const odd = there(
      encodeRecord(
        record({
          model: 'a\0b\ud800"\\\n',
          cost: Number.NaN,
          status: 1.4,
          latency: { total: Number.POSITIVE_INFINITY, upstream: Number.NaN, overhead: -1, ttft: 0 },
          costLines: [{ item: '\u2028', units: Number.NaN, cost: 0.6 }],
        }),
      ),
    )
    expect(odd).toMatchObject({
      model: 'a\ufffdb\ufffd"\\\n',
      cost: 0,
      status: 1,
      latency: { total: 0, upstream: 0, overhead: -1, ttft: 0 },
      costLines: [{ item: '\u2028', units: 0, cost: 1 }],
    })
  })

  it('is its own, whatever the calls of the same caller before it were', () => {
    const { caller } = record()
    const field = fc.constantFrom('a', 'b', undefined)
    const end = fc.record({
      route: fc.constantFrom('/v1/a', '/v1/b'),
      operation: fc.constantFrom('chat', 'embeddings'),
      status: fc.constantFrom(200, 429),
      error: field,
      model: fc.constantFrom('m', 'n'),
      modelGroup: field,
      deploymentId: field,
      provider: field,
      upstreamModel: field,
    })
    fc.assert(
      fc.property(fc.array(end, { minLength: 2, maxLength: 12 }), ends => {
        for (const one of ends) {
          const made: SpendRecord = { ...record(), ...one, caller }
          expect(there(encodeRecord(made))).toEqual(made)
        }
      }),
    )
  })

  it('bounds what callers invent', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const kept = there(
      encodeRecord(
        record({
          caller: { endUser: 'é'.repeat(5000) },
          tags: Array.from({ length: 5000 }, (_, index) => `tag ${index}`),
          metadata: { long: 'x'.repeat(100_000) },
        }),
      ),
    )
    expect(kept.caller.endUser).toBe('é'.repeat(255))
    expect(kept.tags).toHaveLength(64)
    expect(kept.metadata).toEqual({ truncated_characters: 100_011 })
    expect(there(encodeRecord(record({ metadata: circular }))).metadata).toEqual({ unreadable: true })
  })
})

const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
