import { afterEach, describe, expect, it, vi } from 'vitest'
import { Availability } from './availability.ts'

describe('availability', () => {
  afterEach(() => vi.useRealTimers())

  /** A database that answers or not, and what was said about it. */
  const watched = () => {
    const world = { up: true, probes: 0, said: [] as string[] }
    const availability = new Availability(
      async () => {
        world.probes++
        if (!world.up) throw new Error('still down')
      },
      (available, reason) => world.said.push(`${available}: ${reason}`),
    )
    return { world, availability }
  }
  const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

  it('looks at once, because one cut connection is no outage', async () => {
    const { world, availability } = watched()
    expect(availability.available).toBe(true)
    availability.lost(new Error('reset'))
    expect([availability.available, availability.reason]).toEqual([false, 'reset'])
    await settled()
    expect(availability.available).toBe(true)
    expect(world).toMatchObject({ probes: 1, said: ['false: reset', 'true: the database answers'] })
  })

  it('looks every second until it answers, and says so once', async () => {
    const { world, availability } = watched()
    world.up = false
    availability.lost(new Error('reset'))
    availability.lost(new Error('again'))
    await expect.poll(() => world.probes, { timeout: 5000 }).toBeGreaterThan(1)
    expect([availability.available, availability.reason]).toEqual([false, 'still down'])
    world.up = true
    await expect.poll(() => availability.available, { timeout: 5000 }).toBe(true)
    expect(world.said).toEqual(['false: reset', 'true: the database answers'])
    expect(world.probes).toBeLessThan(5)
  })

  it('judges a suspicion only by what it finds', async () => {
    const { world, availability } = watched()
    availability.suspect()
    availability.suspect()
    expect(availability.available).toBe(true)
    await settled()
    expect(world).toMatchObject({ probes: 1, said: [] })
    world.up = false
    availability.suspect()
    await settled()
    expect(availability.available).toBe(false)
    availability.stop()
  })

  it('is over when stopped', async () => {
    const { world, availability } = watched()
    world.up = false
    availability.lost(new Error('reset'))
    expect([availability.stop(), availability.stop()]).toEqual([true, false])
    await settled()
    availability.lost(new Error('late'))
    expect([availability.available, availability.reason]).toEqual([false, 'the store is closed'])
    expect(world.said).toEqual(['false: reset'])
  })
})
