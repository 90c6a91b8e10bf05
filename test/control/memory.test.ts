import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { deployment, eventually } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream({ keep: 10 })
  gateway = await startGateway({
    config: {
      model_list: [deployment('m', upstream, 'gpt-4o-mini')],
      general_settings: { master_key: 'sk-master' },
      routeiq: { release_memory_after_seconds: 1, log_level: 'info' },
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const given = (): { bytes: number }[] =>
  gateway
    .logs()
    .split('\n')
    .filter(line => line.includes('memory was given back'))
    .map(line => JSON.parse(line))

it('gives memory back when calls let up, and goes on serving', async () => {
  const ask = async (): Promise<void> => {
    expect((await chat({ url: gateway.url, key: 'sk-master' }, 'm', 'hello')).status).toBe(200)
  }
  const busy = (): Promise<unknown> =>
    Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let call = 0; call < 150; call++) await ask()
      }),
    )
  const [start] = await eventually(async () => (given().length > 0 ? given() : undefined))
  expect(start?.bytes).toBeGreaterThan(500_000)
  await busy()
  await eventually(async () => (given().length > 1 ? true : undefined))
  // One call is not worth another.
  await ask()
  await pause(2500)
  expect(given()).toHaveLength(2)
}, 60_000)
