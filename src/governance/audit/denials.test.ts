import { describe, expect, it } from 'vitest'
import type { Clock } from '../../platform/clock.ts'
import type { Actor, AuditEvent } from './audit-log.ts'
import { DenialFolder } from './denials.ts'

class HandClock implements Clock {
  time = 1_790_000_000_000
  now(): number {
    return this.time
  }
  epoch(): number {
    return this.time
  }
}

const limits = { perActor: 3, total: 5, actors: 2, window: 60_000 }
const mallory: Actor = { name: 'mallory', token: undefined, address: '192.0.2.66' }
const denied = (actor = mallory, objectId = '/key/generate'): AuditEvent => ({
  actor,
  action: 'denied',
  objectKind: 'route',
  objectId,
})
const times = (count: number, act: () => boolean): number => Array.from({ length: count }, act).filter(Boolean).length

describe('denials', () => {
  it('are recorded one by one at first, then counted, and told of in one summary', () => {
    const clock = new HandClock()
    const folder = new DenialFolder(limits, clock)
    expect(times(1000, () => folder.admit(denied()))).toBe(3)
    clock.time += 59_999
    expect([folder.due(), folder.remaining]).toEqual([[], 1])
    folder.admit(denied(mallory, '/team/new'))
    clock.time += 1
    const [summary, ...rest] = folder.due()
    expect(rest).toEqual([])
    expect(summary).toMatchObject({
      actor: mallory,
      action: 'denied',
      objectKind: 'denials',
      objectId: 'mallory',
      details: {
        folded: 998,
        recorded: 3,
        from: new Date(1_790_000_000_000).toISOString(),
        to: new Date(1_790_000_059_999).toISOString(),
        objects: { 'route /key/generate': 997, 'route /team/new': 1 },
      },
    })
    // A new window: the actor is heard again, and there is nothing more to tell of the old one.
    expect(folder.remaining).toBeUndefined()
    expect([folder.admit(denied()), folder.due(true)]).toEqual([true, []])
  })

  it('are bounded over all actors, in records, in summaries and in names', () => {
    const folder = new DenialFolder(limits, new HandClock())
    let recorded = 0
    for (let index = 0; index < 10_000; index++) {
      const actor = { ...mallory, name: `m${index % 500}`, address: `2001:db8::${index}` }
      if (folder.admit(denied(actor, `/x/${index}`))) recorded++
    }
    const summaries = folder.due(true)
    expect(recorded).toBe(2)
    expect(summaries.map(({ actor }) => actor.name)).toEqual(['(other actors)'])
    expect(summaries[0]!.details!['folded']).toBe(10_000 - recorded)
    expect(Object.keys(summaries[0]!.details!['objects'] as object)).toHaveLength(21)
  })

  it('of one key from two addresses are one actor, without a key every address is one', () => {
    const folder = new DenialFolder(limits, new HandClock())
    const bob = { name: 'bob', token: 'hash' }
    expect(times(2, () => folder.admit(denied({ ...bob, address: '192.0.2.1' })))).toBe(2)
    expect(times(5, () => folder.admit(denied({ ...bob, address: '192.0.2.2' })))).toBe(1)
    expect(times(5, () => folder.admit(denied(mallory)))).toBe(2)
  })
})
