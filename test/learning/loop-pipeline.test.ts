import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../control/setup.ts'
import { api, done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { pool, prompts, skilledData } from './artifacts.ts'
import { askIn, loopConfig, stateOfRouter } from './loop-world.ts'
import { modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-pipeline-test-'))
  const { rows } = skilledData(150)
  const lines = rows.map(({ id, text, quality, cost, inputTokens, outputTokens, group }) =>
    JSON.stringify({ id, text, q: [...quality], c: [...cost], in: inputTokens, ot: [...outputTokens], group }),
  )
  writeFileSync(join(folder, 'prompts.jsonl'), `${lines.join('\n')}\n`)
  const usd_per_mtok_in_out = Object.fromEntries(pool.map(({ id, input, output }) => [id, [input * 1e6, output * 1e6]]))
  writeFileSync(
    join(folder, 'prompts.meta.json'),
    JSON.stringify({ name: 'prompts', models: pool.map(({ id }) => id), usd_per_mtok_in_out }),
  )
  upstream = await startUpstream()
  const pipeline = { router: 'default', schedule: '0 3 29 2 *', dataset: join(folder, 'prompts.jsonl'), min_rows: 50 }
  gateway = await startGateway({ config: loopConfig(upstream, { pipelines: [pipeline] }, {}, { preset: 'balanced' }) })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

// Trains and cross-validates for real, in a thread of low priority: ten seconds of an idle processor, minutes of a busy one.
it('a run collects, trains, evaluates, passes its gate and puts the artifact into force', {
  timeout: 240_000,
}, async () => {
  const begun = await api(gateway, 'POST', '/v1/routeiq/router/runs', { deploy: 'activate' })
  expect(begun.status, begun.text).toBe(202)
  const id = String(begun.json?.['id'])
  expect((await api(gateway, 'POST', '/v1/routeiq/router/runs', {})).status).toBe(409)
  const run = await eventually(async () => {
    const found = await done(gateway, 'GET', `/v1/routeiq/router/runs/${id}`)
    return found['status'] === 'running' ? undefined : found
  }, 220_000)
  expect(run, JSON.stringify(run)).toMatchObject({ status: 'succeeded', trigger: 'manual' })
  const steps = run['steps'] as Json[]
  expect(steps.map(({ step }) => step)).toEqual(['collect', 'train', 'evaluate', 'gate', 'deploy'])
  const artifact = String(run['artifact'])
  expect(await stateOfRouter(gateway)).toMatchObject({ stage: 'active', active: artifact })
  const lineage = await done(gateway, 'GET', `/v1/routeiq/router/artifacts/${artifact}`)
  expect(lineage).toMatchObject({ run_id: id, dataset_hash: run['dataset_hash'] })
  expect(modelOf(await askIn(gateway, 'a', { text: prompts.prove }))).toBe('large')
  expect(modelOf(await askIn(gateway, 'b', { text: prompts.calculate }))).toBe('medium')
})
