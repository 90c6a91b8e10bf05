import { describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream } from '../upstream/server.ts'
import { done, newKey } from './setup.ts'

describe.each([1, 2, 4])('%i workers without Redis', workers => {
  it('let exactly as many calls through as the limit says, and give parallel places back', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({
      config: { model_list: [deployment('small', upstream, 'small'), deployment('slow', upstream, 'slow@delay=30')] },
      args: workers === 1 ? [] : ['--num_workers', String(workers)],
    })
    try {
      const limit = 100
      const key = await newKey(gateway, { rpm_limit: limit })
      const statuses = await Promise.all(
        Array.from({ length: 400 }, async () => (await chat({ url: gateway.url, key }, 'small', 'hi')).status),
      )
      expect(statuses.filter(status => status === 200)).toHaveLength(limit)
      expect(statuses.filter(status => status === 429)).toHaveLength(400 - limit)
      const narrow = await newKey(gateway, { max_parallel_requests: 2 })
      for (let round = 0; round < 3; round++) {
        const some = await Promise.all(
          Array.from({ length: 20 }, async () => (await chat({ url: gateway.url, key: narrow }, 'slow', 'hi')).status),
        )
        expect(some.filter(status => status === 200).length).toBeGreaterThanOrEqual(2)
        expect(new Set(some)).toEqual(new Set([200, 429]))
      }
      expect((await chat({ url: gateway.url, key: narrow }, 'small', 'hi')).status).toBe(200)
      // A change made through one worker holds in all.
      await done(gateway, 'POST', '/key/block', { key: narrow })
      for (let n = 0; n < 2 * workers; n++) {
        expect((await chat({ url: gateway.url, key: narrow }, 'small', 'hi')).status).toBe(401)
      }
    } finally {
      await gateway.stop()
      await upstream.close()
    }
  })
})
