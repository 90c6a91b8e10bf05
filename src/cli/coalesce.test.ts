import { describe, expect, it } from 'vitest'
import { coalesce } from './coalesce.ts'

describe('coalesce', () => {
  it('runs one at a time, and once more for all who asked meanwhile', async () => {
    const ends: (() => void)[] = []
    let runs = 0
    const reload = coalesce(() => new Promise<number>(resolve => ends.push(() => resolve(++runs))))
    const first = reload()
    const [second, third] = [reload(), reload()]
    expect(ends).toHaveLength(1)
    ends[0]?.()
    expect(await first).toBe(1)
    await new Promise(setImmediate)
    expect(ends).toHaveLength(2)
    const fourth = reload()
    ends[1]?.()
    expect(await Promise.all([second, third])).toEqual([2, 2])
    await new Promise(setImmediate)
    ends[2]?.()
    expect(await fourth).toBe(3)
  })

  it('goes on after a run that failed', async () => {
    let runs = 0
    const reload = coalesce(async () => {
      if (++runs === 1) throw new Error('first')
      return runs
    })
    const [first, second] = [reload(), reload()]
    await expect(first).rejects.toThrow('first')
    expect(await second).toBe(2)
    expect(await reload()).toBe(3)
  })
})
