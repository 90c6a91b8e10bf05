import { describe, expect, it } from 'vitest'
import { Values } from './values.ts'

describe('values', () => {
  it('are bounded: the ones set longest ago go first', () => {
    const values = new Values({ epoch: () => 0 }, 3)
    for (const key of ['a', 'b', 'c']) values.set(key, key, undefined)
    values.set('a', 'again', undefined)
    values.increment('d', 1000)
    expect(['a', 'b', 'c', 'd'].map(key => values.get(key))).toEqual(['again', undefined, 'c', '1'])
    expect(values.size).toBe(3)
  })

  it('are forgotten a part at a time when their time is over', () => {
    let now = 0
    const values = new Values({ epoch: () => now }, 1000)
    for (let i = 0; i < 100; i++) values.set(String(i), '', i % 2 === 0 ? 10 : undefined)
    now = 10
    values.sweep(60)
    expect(values.size).toBe(70)
    values.sweep(60)
    expect(values.size).toBe(50)
  })
})
