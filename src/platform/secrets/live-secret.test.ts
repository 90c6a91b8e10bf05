import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../security/secret.ts'
import { LiveSecret } from './live-secret.ts'

function world(text = 'one') {
  const state = { now: 0, refreshes: 0, next: text }
  const live: LiveSecret = new LiveSecret('os.environ/KEY', text, {
    refresh: async () => {
      state.refreshes++
      live.update(state.next)
    },
    grace: () => 1000,
    now: () => state.now,
  })
  return { live, state }
}

const textOf = (secret: Secret | undefined): string | undefined => secret?.reveal()

it('never prints its value', () => {
  const { live } = world('sk-secret')
  live.update('sk-other')
  for (const printed of [`${live}`, JSON.stringify({ live }), inspect(live, { showHidden: true, depth: 9 })]) {
    expect(printed).not.toMatch(/sk-secret|sk-other/)
  }
  expect(live).toBeInstanceOf(Secret)
  expect(live.reveal()).toBe('sk-other')
})

describe('those who follow', () => {
  it('are told the value now and after every change, and not when nothing changed', () => {
    const { live } = world()
    const holder = { seen: [] as string[] }
    live.follow(holder, (own, secret) => own.seen.push(secret.reveal()))
    expect(live.update('one')).toBe(false)
    expect(live.update('two')).toBe(true)
    expect(holder.seen).toEqual(['one', 'two'])
  })

  it('are not kept alive', async () => {
    const { live } = world()
    let told = 0
    for (let i = 0; i < 200; i++) live.follow({ size: new Uint8Array(1000) }, () => void told++)
    expect(told).toBe(200)
    globalThis.gc?.()
    await new Promise(resolve => setTimeout(resolve, 10))
    if (globalThis.gc === undefined) return
    live.update('two')
    expect(told).toBeLessThan(400)
  })
})

describe('a refused value', () => {
  it('is replaced by the one that came meanwhile, without reading', async () => {
    const { live, state } = world()
    const used = live.inUse
    live.update('two')
    expect(textOf(await live.renew(used))).toBe('two')
    expect(state.refreshes).toBe(0)
  })

  it('is replaced by what the backend has now', async () => {
    const { live, state } = world()
    state.next = 'two'
    expect(textOf(await live.renew(live.inUse))).toBe('two')
    expect(state.refreshes).toBe(1)
  })

  it('that nothing replaces is not tried again', async () => {
    const { live } = world()
    expect(await live.renew(live.inUse)).toBeUndefined()
  })

  it('that is new gives way to the one before, for the grace period', async () => {
    const { live, state } = world()
    const holder = { secret: new Secret('') }
    live.follow(holder, (own, secret) => {
      own.secret = secret
    })
    state.next = 'two'
    live.update('two')
    const two = holder.secret
    expect(textOf(await live.renew(two))).toBe('one')
    expect(holder.secret.reveal()).toBe('one')
    // A call that was under way with the new one learns the same, without another read.
    state.refreshes = 0
    expect(textOf(await live.renew(two))).toBe('one')
    expect(state.refreshes).toBe(0)
    // The one before is refused as well: back to the new one.
    expect(textOf(await live.renew(holder.secret))).toBe('two')
    expect(holder.secret.reveal()).toBe('two')
    state.now = 1000
    expect(await live.renew(holder.secret)).toBeUndefined()
  })

  it('that came back is the very same as before', async () => {
    const { live } = world()
    const one = live.inUse
    live.update('two')
    live.update('one')
    expect(live.inUse).toBe(one)
    expect(textOf(await live.renew(one))).toBe('two')
  })
})
