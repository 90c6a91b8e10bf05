import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Admission } from './admission.ts'

const limits = { maxInFlight: 1, maxQueued: 2, queueTimeout: 60_000 }

describe('Admission', () => {
  it('lets waiting calls in, first come first served', async () => {
    const admission = new Admission(limits)
    expect(admission.tryEnter()).toBe(true)
    const order: string[] = []
    const first = admission.enter(new EventEmitter()).then(() => order.push('first'))
    const second = admission.enter(new EventEmitter()).then(() => order.push('second'))
    await expect(admission.enter(new EventEmitter())).rejects.toMatchObject({ code: 'overloaded', retryAfter: 1 })
    admission.leave()
    await first
    admission.leave()
    await second
    expect([order, admission.inFlight, admission.queued]).toEqual([['first', 'second'], 1, 0])
  })

  it('gives the place of a caller that left to another', async () => {
    const admission = new Admission({ ...limits, maxQueued: 1 })
    admission.tryEnter()
    const caller = new EventEmitter()
    const waiting = admission.enter(caller)
    caller.emit('close')
    await expect(waiting).rejects.toMatchObject({ code: 'client_disconnected' })
    const next = admission.enter(new EventEmitter())
    admission.leave()
    await next
    expect([admission.inFlight, admission.queued, caller.listenerCount('close')]).toEqual([1, 0, 0])
  })

  it('ends a wait that takes too long', async () => {
    const admission = new Admission({ ...limits, queueTimeout: 5 })
    admission.tryEnter()
    const caller = new EventEmitter()
    await expect(admission.enter(caller)).rejects.toMatchObject({ code: 'overloaded' })
    expect([admission.queued, caller.listenerCount('close')]).toEqual([0, 0])
  })
})
