import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Operation, Reserved } from '../remote/operation.ts'
import type { CounterValue, Window } from '../shared-state.ts'
import { packAnswer, packOperation, unpackAnswer, unpackOperation } from './messages.ts'

const overJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const count = fc.nat()
const name = fc.string({ unit: 'binary' })
const window: fc.Arbitrary<Window> = fc.oneof(
  fc.record({ kind: fc.constant('rate' as const), ms: count }),
  fc.record({ kind: fc.constant('until' as const), at: count }),
  fc.record({ kind: fc.constantFrom('live' as const, 'forever' as const) }),
)
const reserve = fc.record({
  what: fc.constant('reserve' as const),
  id: name,
  ttl: count,
  items: fc.uniqueArray(
    fc.record({
      key: name,
      window,
      limit: fc.oneof(count, fc.constant(Number.POSITIVE_INFINITY)),
      amount: count,
      overdraft: fc.boolean(),
    }),
    { selector: item => item.key },
  ),
  seeds: fc.constant(undefined),
})
const operation: fc.Arbitrary<Operation> = fc.oneof(
  reserve,
  fc.record({
    what: fc.constant('settle' as const),
    id: name,
    actual: fc.option(fc.array(count), { nil: undefined }),
  }),
  fc.record({ what: fc.constant('renew' as const), ids: fc.array(name), ttl: count }),
  fc.record({ what: fc.constant('read' as const), key: name }),
  fc.record({ what: fc.constantFrom('add' as const, 'assign' as const), key: name, amount: count, window }),
  fc.record({ what: fc.constant('sweep' as const) }),
)
const value: fc.Arbitrary<CounterValue> = fc.record({
  used: count,
  reserved: count,
  resetAt: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
})
const answer: fc.Arbitrary<Reserved | CounterValue> = fc.oneof(
  value,
  fc.constantFrom('duplicate' as const, 'full' as const),
  fc.record({ unseeded: fc.array(count) }),
  fc.record({ granted: fc.constant(true as const), values: fc.array(value) }),
  fc.array(value, { minLength: 1 }).map(values => ({
    granted: false as const,
    item: values.length - 1,
    value: values.at(-1) as CounterValue,
    values,
  })),
)

describe('messages of a fleet', () => {
  it('mean the same on the other side', () => {
    const operations = fc.property(operation, given => {
      expect(unpackOperation(overJson(packOperation(given)))).toEqual(given)
    })
    const answers = fc.property(answer, given => {
      expect(unpackAnswer(overJson(packAnswer(given)))).toEqual(given)
    })
    fc.assert(operations)
    fc.assert(answers)
  })

  it('say which counters can be seeded, and with what', () => {
    const item = { window: { kind: 'forever' }, limit: 1, amount: 1, overdraft: false } as const
    const seed = async () => 7
    const items = [
      { ...item, key: 'plain' },
      { ...item, key: 'asks', seed },
      { ...item, key: 'knows', seed },
    ]
    const packed = packOperation({ what: 'reserve', id: 'a', ttl: 1, items, seeds: new Map([['knows', 0]]) })
    const unpacked = unpackOperation(overJson(packed)) as Extract<Operation, { what: 'reserve' }>
    expect(unpacked.items.map(({ seed }) => seed === undefined)).toEqual([true, false, false])
    expect(unpacked.seeds).toEqual(new Map([['knows', 0]]))
  })

  it('that are none are refused', () => {
    expect(() => unpackOperation(['nonsense', 1])).toThrow(TypeError)
  })
})
