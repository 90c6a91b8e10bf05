import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Expiries, type Expiring } from './expiries.ts'

class Member implements Expiring {
  expiresAt = 0
  list: Expiring['list']
  previous: Expiring | undefined
  next: Expiring | undefined
}

describe('expiries', () => {
  it('give each member at its time, whatever was added and removed', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), ttl: fc.nat(120) }) },
      fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }),
      // Clocks step back, too.
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: -20, max: 60 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        const expiries = new Expiries<Member>()
        const members = new Set<Member>()
        let now = 1000
        for (const step of steps) {
          if (step.do === 'add') {
            const member = new Member()
            expiries.add(member, now, step.ttl)
            expect(member.expiresAt).toBe(now + step.ttl)
            members.add(member)
          } else if (step.do === 'remove') {
            const member = [...members][step.pick % Math.max(1, members.size)]
            if (member === undefined) continue
            expiries.remove(member)
            expiries.remove(member)
            members.delete(member)
          } else now += step.ms
          const due = [...members].filter(({ expiresAt }) => expiresAt <= now)
          if (due.length > 0) expect(expiries.isDue(now)).toBe(true)
          const taken: Member[] = []
          for (let member = expiries.take(now); member !== undefined; member = expiries.take(now)) taken.push(member)
          expect(new Set(taken)).toEqual(new Set(due))
          expect(expiries.isDue(now)).toBe(false)
          for (const member of taken) members.delete(member)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('gives the first of one time to live', () => {
    const expiries = new Expiries<Member>()
    const [a, b, other] = [new Member(), new Member(), new Member()]
    expiries.add(a, 0, 100)
    expiries.add(other, 0, 50)
    expiries.add(b, 1, 100)
    expect(expiries.takeFirst(100)).toBe(a)
    expect(expiries.takeFirst(100)).toBe(b)
    expect(expiries.takeFirst(100)).toBeUndefined()
    expect(expiries.take(50)).toBe(other)
  })
})
