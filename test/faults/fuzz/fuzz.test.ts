import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../../harness/gateway.ts'
import { chat, contentOf } from '../../harness/http.ts'
import { startUpstream, type Upstream } from '../../upstream/server.ts'
import { Connection } from './connection.ts'
import { faultOf } from './judge.ts'
import { fuzzedRequest } from './requests.ts'

/** `FUZZ_REQUESTS=100000 FUZZ_SEED=7 npx vitest run test/faults/fuzz` */
const count = Number(process.env['FUZZ_REQUESTS'] ?? (process.env['CI'] === undefined ? 10_000 : 100_000))
const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_101)
const connections = 48

describe('fuzzed requests', () => {
  let gateway: Gateway
  let upstream: Upstream
  beforeAll(async () => {
    upstream = await startUpstream({ keep: 1, refuseUnforeseen: true })
    const entry = (name: string, model: string, base: string, extra = {}) => ({
      model_name: name,
      litellm_params: { model, api_key: 'sk-upstream', api_base: `${upstream.url}${base}`, ...extra },
    })
    gateway = await startGateway({
      config: {
        model_list: [
          entry('m-openai', 'openai/gpt-4o', '/v1'),
          entry('m-azure', 'azure/gpt-4o', '', { api_version: '2024-10-21' }),
          entry('m-anthropic', 'anthropic/claude-sonnet-4-5', ''),
          entry('m-gemini', 'gemini/gemini-2.5-flash', ''),
          entry('m-refusing', 'openai/gpt-4o@status=403', '/v1'),
        ],
        router_settings: { num_retries: 0, disable_cooldowns: true, timeout: 15 },
        routeiq: { log_level: 'warn' },
      },
    })
  })
  afterAll(async () => {
    try {
      await gateway?.stop()
    } finally {
      await upstream?.close()
    }
  })

  it(`${count} of them get an answer or a refusal in their dialect, and nothing breaks`, async () => {
    const faults: string[] = []
    const statuses = new Map<number, number>()
    let next = 0
    const work = async (): Promise<void> => {
      const connection = new Connection(gateway.port)
      while (next < count && faults.length < 10) {
        const index = next++
        const request = fuzzedRequest(seed, index, gateway.key)
        const answer = await connection.ask(request.bytes, request.method)
        if (request.broken) connection.close()
        const status = answer?.status ?? 0
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        const fault = faultOf(request, answer)
        if (fault === undefined) continue
        const sent = request.bytes.toString('latin1').slice(0, 1500)
        faults.push(`request ${index} of seed ${seed}: ${fault}\n${answer?.body.slice(0, 500)}\n--- sent:\n${sent}`)
      }
      connection.close()
    }
    await Promise.all(Array.from({ length: connections }, work))
    expect(faults.join('\n\n=====\n')).toBe('')
    // The run has seen both sides: what is legitimate is answered, what is not is refused.
    const share = (from: number, to: number): number =>
      [...statuses].reduce((sum, [status, times]) => sum + (status >= from && status < to ? times : 0), 0) / count
    expect(share(200, 300)).toBeGreaterThan(0.1)
    expect(share(400, 500)).toBeGreaterThan(0.3)
    expect(gateway.logs()).not.toMatch(/unexpected error|"level":"(error|fatal)"/)
    expect(contentOf(await chat(gateway, 'm-openai', 'still there?'))).toBe('echo: still there?')
  }, 600_000)
})
