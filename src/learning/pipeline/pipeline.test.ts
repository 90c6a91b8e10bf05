import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../platform/store/open-store.ts'
import type { Store } from '../../platform/store/store.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import type { TrainedRouter } from '../predictor.ts'
import { guardDefaults } from '../rollout/guard-settings.ts'
import { readState } from '../rollout/state-store.ts'
import { beginRun, findRun, listRuns, markInterrupted } from './run-record.ts'
import { PipelineRunner } from './runner.ts'
import { Schedule } from './schedule.ts'
import type { PipelineSteps } from './steps.ts'

let store: Store
const state = new MemoryState()
const log = createLogger({ level: 'silent' })
let now = 1_800_000_000_000
const clock = { now: () => now, epoch: () => now }
const settings = { dataset: undefined, minRows: 100, lookback: 1000, deploy: 'rollout' } as const

beforeAll(async () => {
  store = await openStore({ kind: 'memory' })
})
beforeEach(async () => {
  for (const table of ['router_runs', 'router_states', 'router_artifacts', 'router_artifact_parts'] as const) {
    await store.db.deleteFrom(table).execute()
  }
})
afterAll(async () => {
  await state.close()
  await store.close()
})

/** As much of an artifact as deploying looks at. */
const trained = (bytes: Uint8Array): TrainedRouter =>
  ({
    id: Buffer.from(bytes).toString('hex').padEnd(64, '0'),
    name: 'made here',
    createdAt: now,
    models: [],
    methods: [],
    clusters: [],
    meanCost: 0,
    datasetHash: 'd',
    signed: false,
  }) as unknown as TrainedRouter

function runner(steps: Partial<PipelineSteps> = {}): PipelineRunner {
  return new PipelineRunner({
    store,
    state,
    clock,
    log,
    read: trained,
    guards: () => guardDefaults,
    shares: () => [0, 1],
    announce: async () => undefined,
    steps: {
      collect: async () => ({ rows: 300, models: ['a'], datasetHash: 'hash', handle: 1, sources: { own: 300 } }),
      train: async () => Uint8Array.of(1, 2, 3),
      evaluate: async () => ({ passes: true, reasons: [], report: { aiq: 0.7 } }),
      finished: async () => undefined,
      ...steps,
    },
  })
}

describe('a run of the pipeline', () => {
  it('goes from data to a rollout, and its record tells every step and where the artifact came from', async () => {
    const run = await runner().run('default', 'manual', settings)
    expect(run).toMatchObject({ status: 'succeeded', step: 'deploy', trigger: 'manual' })
    expect(run?.details.steps.map(({ step }) => step)).toEqual(['collect', 'train', 'evaluate', 'gate', 'deploy'])
    expect(run?.details).toMatchObject({ datasetHash: 'hash', artifact: `010203${'0'.repeat(58)}` })
    const current = await readState(store.db, 'default')
    expect(current?.state.rollout).toMatchObject({
      id: run?.id,
      artifact: run?.details.artifact,
      automatic: true,
      step: 0,
    })
    const [artifact] = await store.db.selectFrom('router_artifacts').selectAll().execute()
    expect(artifact).toMatchObject({ run_id: run?.id, dataset_hash: 'd' })
    // The next run finds the rollout on its way and disturbs nothing.
    const next = await runner({ train: async () => Uint8Array.of(9) }).run('default', 'manual', settings)
    expect(next).toMatchObject({ status: 'nothing_to_deploy', details: { reason: 'another rollout is on its way' } })
    expect((await readState(store.db, 'default'))?.revision).toBe(current?.revision)
  })

  it('ends without an artifact where data are few, or the gate is closed', async () => {
    const few = await runner().run('default', 'manual', { ...settings, minRows: 301 })
    expect(few).toMatchObject({ status: 'nothing_to_deploy', step: 'collect' })
    const worse = { evaluate: async () => ({ passes: false, reasons: ['best single model'], report: {} }) }
    const closed = await runner(worse).run('default', 'manual', settings)
    expect(closed).toMatchObject({
      status: 'nothing_to_deploy',
      step: 'gate',
      details: { reason: 'best single model' },
    })
    expect(await store.db.selectFrom('router_artifacts').selectAll().execute()).toEqual([])
  })

  it('that fails says where and why, and cleans up', async () => {
    const cleaned: string[] = []
    const failing = runner({
      train: () => Promise.reject(new Error('out of memory')),
      finished: async ({ id }) => void cleaned.push(id),
    })
    const run = await failing.run('default', 'manual', settings)
    expect(run).toMatchObject({ status: 'failed', step: 'train', details: { reason: 'out of memory' } })
    expect(run?.details.steps.at(-1)).toMatchObject({ step: 'train', error: 'out of memory' })
    expect(cleaned).toEqual([run?.id])
  })

  it('runs once at a time, over all replicas', async () => {
    let go = (): void => {}
    const gate = new Promise<void>(resolve => {
      go = resolve
    })
    const slow = { train: () => gate.then(() => Uint8Array.of(7)) }
    let begun = ''
    const first = runner(slow).run('default', 'manual', settings, run => {
      begun = run.id
    })
    while (begun === '') await new Promise(resolve => setTimeout(resolve, 5))
    expect(await runner().run('default', 'schedule', settings)).toBeUndefined()
    // Another router is another matter.
    expect(await runner().run('other', 'schedule', settings)).toMatchObject({ status: 'succeeded' })
    go()
    expect(await first).toMatchObject({ id: begun, status: 'succeeded' })
    expect(await listRuns(store.db, 'default')).toHaveLength(1)
  })

  it('whose process died is told as interrupted, and the next one runs', async () => {
    const dead = await beginRun(store.db, 'default', 'schedule', now)
    expect(await markInterrupted(store.db, now + 30_000)).toBe(0)
    expect(await runner().run('default', 'schedule', settings)).toMatchObject({ status: 'succeeded' })
    expect(await findRun(store.db, dead.id)).toMatchObject({ status: 'interrupted' })
    const silent = await beginRun(store.db, 'third', 'schedule', now)
    expect(await markInterrupted(store.db, now + 61_000)).toBe(1)
    expect(await findRun(store.db, silent.id)).toMatchObject({ status: 'interrupted' })
  })

  it('is stopped with its gateway', async () => {
    const own = runner({
      train: ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    })
    let begun = false
    const running = own.run('default', 'manual', settings, () => {
      begun = true
    })
    while (!begun) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 50))
    own.close()
    expect(await running).toMatchObject({ status: 'failed', details: { reason: 'the gateway was shut down' } })
  })

  it('deploys nothing while drift has frozen promotions', async () => {
    const first = await runner().run('default', 'manual', { ...settings, deploy: 'activate' })
    expect(first).toMatchObject({ status: 'succeeded' })
    const current = await readState(store.db, 'default')
    await store.db
      .updateTable('router_states')
      .set({ state: JSON.stringify({ ...current?.state, frozen: { since: 1, reason: 'inputs' } }) })
      .execute()
    const second = await runner({ train: async () => Uint8Array.of(4) }).run('default', 'manual', {
      ...settings,
      deploy: 'activate',
    })
    expect(second).toMatchObject({ status: 'nothing_to_deploy', details: { reason: 'promotions are frozen: inputs' } })
  })
})

describe('a schedule', () => {
  it('runs what is due, once, also after a restart', async () => {
    const make = () =>
      new Schedule({
        runner: runner(),
        clock,
        log,
        pipelines: () => [{ ...settings, router: 'default', schedule: 'hourly', deploy: 'none' }],
        next: (_line, after) => (Math.floor(after / 3_600_000) + 1) * 3_600_000,
        lastRun: async router => (await listRuns(store.db, router, 1))[0]?.startedAt,
      })
    const first = make()
    await first.look()
    await first.close()
    expect(await listRuns(store.db)).toHaveLength(0)
    now += 3_600_000
    for (let look = 0; look < 3; look++) {
      await first.look()
      await first.close()
    }
    expect(await listRuns(store.db)).toHaveLength(1)
    // Another process takes over: it is told by the record, not by its own start.
    const second = make()
    await second.look()
    await second.close()
    expect(await listRuns(store.db)).toHaveLength(1)
    now += 3_600_000
    await second.look()
    await second.close()
    expect(await listRuns(store.db)).toHaveLength(2)
  })
})
