import { describe, expect, it } from 'vitest'
import type { Settlement } from './operation.ts'
import { Settlements } from './settlements.ts'

const settle = (id: number): Settlement => ({ what: 'settle', id: String(id), actual: undefined })
const idsOf = (list: readonly Settlement[]): number[] => list.map(({ id }) => Number(id))

describe('settlements that wait', () => {
  it('come out in order, what was put back before the others', () => {
    const waiting = new Settlements(100, () => {})
    for (let i = 0; i < 5; i++) waiting.add(settle(i))
    const first = waiting.take(2)
    expect(idsOf(first)).toEqual([0, 1])
    waiting.putBack(first)
    waiting.add(settle(5))
    expect(waiting.length).toBe(6)
    expect(idsOf(waiting.take(10))).toEqual([0, 1, 2, 3, 4, 5])
    expect(waiting.take(10)).toEqual([])
  })

  it('are bounded: the oldest are dropped and counted', () => {
    let dropped = 0
    const waiting = new Settlements(3, count => {
      dropped += count
    })
    for (let i = 0; i < 10_000; i++) waiting.add(settle(i))
    expect([waiting.length, dropped]).toEqual([3, 9997])
    waiting.putBack([settle(-2), settle(-1)])
    expect([waiting.length, dropped]).toEqual([3, 9999])
    expect(idsOf(waiting.take(3))).toEqual([9997, 9998, 9999])
    waiting.putBack([1, 2, 3, 4].map(settle))
    expect(idsOf(waiting.take(5))).toEqual([2, 3, 4])
  })

  it('keep their order over many', () => {
    const waiting = new Settlements(100_000, () => {})
    const out: number[] = []
    for (let i = 0; i < 20_000; i++) {
      waiting.add(settle(i))
      if (i % 3 === 0) out.push(...idsOf(waiting.take(2)))
    }
    out.push(...idsOf(waiting.take(20_000)))
    expect(out).toEqual(Array.from({ length: 20_000 }, (_, i) => i))
  })
})
