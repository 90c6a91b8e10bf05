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
    const one = encodeOperations([reserve])
    const copy = Buffer.from(one)
    const many = encodeOperations(Array.from({ length: 10_000 }, () => reserve))
    expect(many.length).toBe(10_000 * one.length)
    expect(one).toEqual(copy)
    expect(many.subarray(0, one.length)).toEqual(one)
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
    const answer = Buffer.concat([Buffer.from([4]), Buffer.from([1]), value, value])
    const read: Operation = { what: 'read', key: 'k' }
    expect(decodeAnswers(answer, [settle, reserve, settle, reserve, read])).toEqual([
      'duplicate',
      { granted: true, values: [{ used: 0, reserved: 0, resetAt: undefined }] },
      { used: 0, reserved: 0, resetAt: undefined },
    ])
  })
})
