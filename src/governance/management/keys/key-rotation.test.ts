import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../platform/clock.ts'
import { MemoryState } from '../../../platform/shared-state/memory/memory-state.ts'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import { KeyRotation, rotationSettings } from './key-rotation.ts'

const silent = createLogger({ stream: { write() {} } })

describe('rotation of keys', () => {
  it('is one process’s work at a time', async () => {
    const state = new MemoryState()
    let running = 0
    let most = 0
    const rotation = (): KeyRotation =>
      new KeyRotation({
        keys: {
          async rotateDue(_actor, _grace, goOn) {
            most = Math.max(most, ++running)
            await new Promise(resolve => setTimeout(resolve, 20))
            expect(await goOn()).toBe(true)
            running--
            return { replaced: 1, waiting: 0 }
          },
          forgetReplaced: async () => undefined,
        },
        state,
        log: silent,
        clock: systemClock,
        interval: 1000,
        gracePeriod: undefined,
      })
    const counts = await Promise.all([rotation().run(), rotation().run(), rotation().run()])
    expect(counts.filter(count => count !== undefined)).toEqual([1])
    expect(most).toBe(1)
    expect(await rotation().run(), 'the lock was given back').toBe(1)
    await state.close()
  })

  it('gives the lock back when the store is away, and says why when nothing takes new keys', async () => {
    const state = new MemoryState()
    const lines: string[] = []
    let away = true
    const rotation = new KeyRotation({
      keys: {
        async rotateDue() {
          if (away) throw new Error('away')
          return { replaced: 0, waiting: 3 }
        },
        forgetReplaced: async () => undefined,
      },
      state,
      log: createLogger({ stream: { write: line => void lines.push(line) } }),
      clock: systemClock,
      interval: 1000,
      gracePeriod: '1h',
    })
    await expect(rotation.run()).rejects.toThrow('away')
    away = false
    expect(await rotation.run()).toBe(0)
    expect(lines.join()).toContain('no secret manager takes the new ones')
    await state.close()
  })

  it('is off unless the environment turns it on', () => {
    expect(rotationSettings({})).toBeUndefined()
    expect(rotationSettings({ LITELLM_KEY_ROTATION_ENABLED: 'false' })).toBeUndefined()
    expect(rotationSettings({ LITELLM_KEY_ROTATION_ENABLED: 'true' })).toEqual({
      interval: 86_400_000,
      gracePeriod: undefined,
    })
    const env = {
      LITELLM_KEY_ROTATION_ENABLED: '1',
      LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: '60',
      LITELLM_KEY_ROTATION_GRACE_PERIOD: '24h',
    }
    expect(rotationSettings(env)).toEqual({ interval: 60_000, gracePeriod: '24h' })
  })
})
