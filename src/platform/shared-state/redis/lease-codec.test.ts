import { describe, expect, it } from 'vitest'
import type { Operation } from '../remote/operation.ts'
import type { LeaseItem } from '../shared-state.ts'
import { decodeAnswers, encodeOperations } from './lease-codec.ts'

/** That the script reads what is written here is shown in test/contracts/shared-state.test.ts. */

const item: LeaseItem = { key: 'k', window: { kind: 'forever' }, limit: 5, amount: 1, overdraft: false }
const reserve: Operation = { what: 'reserve', id: 'a', items: [item], ttl: 1000, seeds: undefined }
const value = Buffer.alloc(24)

describe('the message', () => {
  it('grows beyond any size, and is not shared between messages', () => {
    const cancel: Operation = { what: 'cancel', id: 'a' }
    const one = encodeOperations([reserve, cancel])
    const copy = Buffer.from(one)
    const many = encodeOperations(Array.from({ length: 10_000 }, () => [reserve, cancel]).flat())
    expect(many.length).toBe(10_000 * one.length)
    expect(one).toEqual(copy)
    expect(many.subarray(0, one.length)).toEqual(one)
  })

  it('names what reservations in a row have in common once, and tells apart what they have not', () => {
    const like = (change: Partial<LeaseItem>): Operation => ({ ...reserve, items: [{ ...item, ...change }] })
    const lengthOf = (...operations: Operation[]): number => encodeOperations(operations).length
    expect(lengthOf(reserve, { ...reserve, id: 'b' })).toBe(lengthOf(reserve) + 3)
    for (const other of [
      like({ key: 'l' }),
      like({ limit: 6 }),
      like({ amount: 2 }),
      like({ overdraft: true }),
      like({ seed: async () => 0 }),
      like({ window: { kind: 'until', at: 1 } }),
      { ...reserve, ttl: 1 },
      { ...reserve, seeds: new Map([['k', 1]]) },
    ]) {
      expect(lengthOf(reserve, other)).toBe(2 * lengthOf(reserve))
    }
    expect(lengthOf(like({ window: { kind: 'rate', ms: 1 } }), like({ window: { kind: 'rate', ms: 2 } }))).toBe(
      2 * lengthOf(reserve),
    )
  })

  it('refuses names that do not fit', () => {
    const long = 'ä'.repeat(32_768)
    expect(() => encodeOperations([{ what: 'cancel', id: long }])).toThrow(RangeError)
    expect(() => encodeOperations([{ what: 'read', key: long }])).toThrow(RangeError)
    expect(encodeOperations([{ what: 'cancel', id: 'ä'.repeat(32_767) }]).length).toBe(1 + 2 + 65_534)
  })
})

describe('the answer', () => {
  it('must be one', () => {
    expect(() => decodeAnswers(Buffer.from([]), [reserve])).toThrow(RangeError)
    expect(() => decodeAnswers(Buffer.from([9]), [reserve])).toThrow(/begins with 9/)
    expect(() => decodeAnswers(Buffer.from([1]), [reserve])).toThrow(RangeError)
    expect(() => decodeAnswers(value.subarray(1), [{ what: 'read', key: 'k' }])).toThrow(RangeError)
  })

  it('is read in order, over operations that have none', () => {
    const settle: Operation = { what: 'settle', id: 'b', actual: [1] }
    const answer = Buffer.concat([Buffer.from([4, 1, 0]), Buffer.from([1, 1, 0]), value, value])
    const read: Operation = { what: 'read', key: 'k' }
    expect(decodeAnswers(answer, [settle, reserve, settle, reserve, read])).toEqual([
      'duplicate',
      { granted: true, values: [{ used: 0, reserved: 0, resetAt: undefined }] },
      { used: 0, reserved: 0, resetAt: undefined },
    ])
  })

  it('for many in a row says what the counters stood at after each', () => {
    const last = Buffer.alloc(24)
    last.writeDoubleLE(7, 0)
    last.writeDoubleLE(30, 8)
    const ten: Operation = { ...reserve, items: [{ ...item, amount: 10 }] }
    const granted = decodeAnswers(Buffer.concat([Buffer.from([1, 3, 0]), last]), [ten, ten, ten])
    expect(granted).toEqual(
      [10, 20, 30].map(reserved => ({ granted: true, values: [{ used: 7, reserved, resetAt: undefined }] })),
    )
    const refused = decodeAnswers(Buffer.concat([Buffer.from([2, 2, 0, 0, 0]), last, Buffer.from([4, 1, 0])]), [
      ten,
      ten,
      ten,
    ])
    const stand = { used: 7, reserved: 30, resetAt: undefined }
    const refusal = { granted: false, item: 0, value: stand, values: [stand] }
    expect(refused).toEqual([refusal, refusal, 'duplicate'])
  })
})
