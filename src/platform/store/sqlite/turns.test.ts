import { afterEach, describe, expect, it, vi } from 'vitest'
import { StoreUnavailable } from '../store.ts'
import { Turns } from './turns.ts'

describe('turns', () => {
  afterEach(() => vi.useRealTimers())

  it('are given one at a time, first come first served', async () => {
    const turns = new Turns()
    const order: number[] = []
    let inside = 0
    await Promise.all(
      [1, 2, 3, 4].map(async number => {
        const giveBack = await turns.take()
        expect(++inside).toBe(1)
        order.push(number)
        await new Promise(resolve => setImmediate(resolve))
        inside--
        giveBack()
      }),
    )
    expect(order).toEqual([1, 2, 3, 4])
  })

  it('are not waited for without end', async () => {
    vi.useFakeTimers()
    const turns = new Turns()
    const giveBack = await turns.take()
    const waiting = expect(turns.take()).rejects.toThrow(StoreUnavailable)
    await vi.advanceTimersByTimeAsync(30_000)
    await waiting
    // Who gave up is not given a turn, which nobody would give back.
    const next = turns.take()
    giveBack()
    await expect(next).resolves.toBeTypeOf('function')
  })

  it('are not waited for by too many', async () => {
    const turns = new Turns()
    const giveBack = await turns.take()
    const waiting = Array.from({ length: 10_000 }, () => turns.take().then(give => give()))
    await expect(turns.take()).rejects.toThrow(/10000 writers wait/)
    giveBack()
    await Promise.all(waiting)
  })

  it('are shared by those who only read, until somebody wants one alone', async () => {
    const turns = new Turns()
    const [first, second] = [turns.share(), turns.share()]
    const order: string[] = []
    const alone = turns.take().then(giveBack => {
      order.push('alone')
      return giveBack
    })
    expect(turns.share()).toBeUndefined()
    first?.()
    await new Promise(resolve => setImmediate(resolve))
    order.push('second')
    second?.()
    const giveBack = await alone
    expect(order).toEqual(['second', 'alone'])
    expect(turns.share()).toBeUndefined()
    giveBack()
    expect(turns.share()).toBeTypeOf('function')
  })
})
