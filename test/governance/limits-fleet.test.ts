import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer } from '../harness/http.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { newKey } from './setup.ts'

const masterKey = 'sk-fleet-master'
let upstream: Upstream
let redis: Service
let postgres: Service

const usable = services.redis && services.postgres

beforeAll(async () => {
  upstream = await startUpstream()
  if (!usable) return
  redis = await startRedis()
  postgres = await startPostgres()
})
afterAll(async () => {
  await upstream.close()
  await redis?.stop()
  await postgres?.stop()
})

const config = (): Json => ({
  model_list: [deployment('m', upstream, 'm', { input_cost_per_token: 0.0001, output_cost_per_token: 0.0002 })],
  general_settings: { master_key: masterKey },
  // A machine that is busy with this test can keep Redis from answering in time: then a call waits instead of passing.
  routeiq: { limits: { on_state_unavailable: { rate: 'closed', budget: 'closed' } } },
})

/** Processes that share a Redis and a PostgreSQL. */
async function replicas(count: number): Promise<Gateway[]> {
  const env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url }
  const started: Gateway[] = []
  // One after the other: the first one brings the tables.
  for (let i = 0; i < count; i++) started.push(await startGateway({ config: config(), env }))
  return started
}

const unavailable = ({ status, text }: StreamAnswer): boolean => status === 503 && text.includes('limits_unavailable')

/** A storm of calls over all processes, `width` at a time. A call that limits could not be checked for is made again. */
async function storm(gateways: readonly Gateway[], key: string, count: number, width = 250): Promise<StreamAnswer[]> {
  const answers: StreamAnswer[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const gateway = gateways[next++ % gateways.length]!
      const answer = await chat({ url: gateway.url, key }, 'm', 'hi', { max_tokens: 50 })
      if (unavailable(answer)) {
        next--
        await new Promise(resolve => setTimeout(resolve, 50))
      } else answers.push(answer)
    }
  }
  await Promise.all(Array.from({ length: width }, lane))
  return answers
}

const costOf = (answer: StreamAnswer): number => Number(answer.headers['x-litellm-response-cost'])
const tokensOf = (answer: StreamAnswer): number => Number((answer.json!['usage'] as Json)['total_tokens'])
const served = (answers: readonly StreamAnswer[]): StreamAnswer[] => answers.filter(({ status }) => status === 200)
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const hourly = (metric: string, limit: number): Json => ({ limits: [{ metric, limit, window: '1h' }] })

/** Every answer is a success or says that the limit is reached; nothing else went wrong. */
function onlyRefused(answers: readonly StreamAnswer[]): void {
  const others = answers.filter(({ status }) => status !== 200 && status !== 429)
  expect(others.map(({ status, text }) => `${status} ${text}`)).toEqual([])
}

/** Calls one after the other until every process refuses: what calls in flight had only reserved has come back by then. */
async function usedUp(gateways: readonly Gateway[], key: string): Promise<StreamAnswer[]> {
  const answers: StreamAnswer[] = []
  for (let refused = 0; refused < 2 * gateways.length; ) {
    const [answer] = await storm(gateways, key, 1)
    answers.push(answer!)
    refused = answer!.status === 200 ? 0 : refused + 1
    if (refused > 0) await new Promise(resolve => setTimeout(resolve, 50))
  }
  return answers
}

async function exactUnderLoad(gateways: readonly Gateway[]): Promise<void> {
  const first = gateways[0]!
  upstream.reset()
  let key = await newKey(first, hourly('requests', 1000))
  const requests = [...(await storm(gateways, key, 10_000)), ...(await usedUp(gateways, key))]
  onlyRefused(requests)
  expect(served(requests), 'requests: exactly').toHaveLength(1000)
  expect(upstream.requests).toHaveLength(1000)

  key = await newKey(first, hourly('tokens', 5000))
  const tokens = [...(await storm(gateways, key, 1500)), ...(await usedUp(gateways, key))]
  onlyRefused(tokens)
  const counted = served(tokens).map(tokensOf)
  expect(sum(counted)).toBeGreaterThanOrEqual(5000)
  expect(sum(counted), 'tokens: over by less than one call').toBeLessThan(5000 + Math.max(...counted))

  key = await newKey(first, { max_budget: 0.5 })
  const money = [...(await storm(gateways, key, 1500)), ...(await usedUp(gateways, key))]
  onlyRefused(money)
  const costs = served(money).map(costOf)
  expect(sum(costs)).toBeGreaterThanOrEqual(0.5 - 1e-9)
  expect(sum(costs), 'money: over by less than one call').toBeLessThan(0.5 + Math.max(...costs))
  expect((money.at(-1)!.json!['error'] as Json)['code']).toBe('budget_exceeded')
}

describe.skipIf(!usable).each([1, 2, 4])('%i processes over Redis', count => {
  it('10,000 requests at once stay within a request, a token and a dollar limit', { timeout: 300_000 }, async () => {
    const gateways = await replicas(count)
    try {
      await exactUnderLoad(gateways)
    } finally {
      await Promise.all(gateways.map(gateway => gateway.stop()))
    }
  })
})

describe('3 workers without Redis', () => {
  it('10,000 requests at once stay within a request, a token and a dollar limit', { timeout: 300_000 }, async () => {
    const gateway = await startGateway({ config: config(), args: ['--num_workers', '3'] })
    try {
      await exactUnderLoad([gateway])
    } finally {
      await gateway.stop()
    }
  })
})

describe.skipIf(!usable)('two processes over Redis', () => {
  it('ask Redis once before a call and once after it', async () => {
    const [gateway] = await replicas(1)
    const client = await createClient({ url: redis.url }).connect()
    try {
      const key = await newKey(gateway!, {
        rpm_limit: 1000,
        tpm_limit: 1_000_000,
        max_budget: 10,
        max_parallel_requests: 9,
      })
      const scripts = async (): Promise<number> => {
        const stats = await client.info('commandstats')
        return sum([...stats.matchAll(/cmdstat_(?:evalsha|fcall|eval):calls=(\d+)/g)].map(([, calls]) => Number(calls)))
      }
      await storm([gateway!], key, 5, 1)
      const before = await scripts()
      await storm([gateway!], key, 100, 1)
      const each = ((await scripts()) - before) / 100
      expect(each).toBeGreaterThanOrEqual(1)
      expect(each).toBeLessThanOrEqual(2.1)
    } finally {
      await client.close()
      await gateway!.stop()
    }
  })

  it('a killed process leaves no stuck counter after the lease time', { timeout: 180_000 }, async () => {
    const [doomed, other] = await replicas(2)
    try {
      const key = await newKey(other!, { max_parallel_requests: 4, max_budget: 0.05 })
      upstream.reset()
      const undo = upstream.fault(request => request.text.includes('hold'), 'hang')
      const held = Array.from({ length: 4 }, () =>
        chat({ url: doomed!.url, key }, 'm', 'hold', { max_tokens: 50 }).catch(() => undefined),
      )
      await upstream.waitFor(() => upstream.requests.length === 4)
      const ask = () => chat({ url: other!.url, key }, 'm', 'hi', { max_tokens: 50 })
      const refused = await ask()
      expect([refused.status, refused.json?.['error']]).toMatchObject([429, { code: 'rate_limit_exceeded' }])
      const killedAt = performance.now()
      doomed!.signal('SIGKILL')
      await Promise.all(held)
      undo()
      expect((await ask()).status, 'its lease still runs').toBe(429)
      const answer = await eventually(async () => {
        const next = await ask()
        await new Promise(resolve => setTimeout(resolve, 200))
        return next.status === 200 ? next : undefined
      }, 90_000)
      expect(performance.now() - killedAt, 'not before, and not long after the minute').toBeLessThan(75_000)
      // Nothing of the four is left: all but this call's cost is there again.
      expect(Number(answer.headers['x-litellm-key-spend'])).toBeCloseTo(costOf(answer), 9)
      expect(answer.headers['x-ratelimit-api_key-remaining-max_parallel_requests']).toBe('3')
    } finally {
      await other!.stop()
      await doomed!.stop().catch(() => undefined)
    }
  })
})
