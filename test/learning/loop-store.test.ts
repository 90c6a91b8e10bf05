import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readArtifact } from '../../src/learning/artifact/artifact.ts'
import type { RoutingDecision } from '../../src/learning/decision.ts'
import { Captures } from '../../src/learning/decisions/captures.ts'
import { forgetDecisions } from '../../src/learning/decisions/forget-old.ts'
import { readDecisions } from '../../src/learning/decisions/read-decisions.ts'
import { DecisionRecorder } from '../../src/learning/decisions/recorder.ts'
import { DriftMonitor, readDrift } from '../../src/learning/drift/monitor.ts'
import { startExperiment } from '../../src/learning/experiments/experiments.ts'
import { experimentResult } from '../../src/learning/experiments/results.ts'
import { Feedback, type FeedbackCaller } from '../../src/learning/feedback/feedback.ts'
import { policyValue } from '../../src/learning/off-policy/estimate.ts'
import { loggedChoices } from '../../src/learning/off-policy/from-log.ts'
import { putArtifact } from '../../src/learning/registry/artifact-store.ts'
import { RouterDirectory } from '../../src/learning/registry/directory.ts'
import { RolloutController } from '../../src/learning/rollout/controller.ts'
import { guardDefaults } from '../../src/learning/rollout/guard-settings.ts'
import type { CallOutcome, DecidedCall } from '../../src/learning/rollout/port.ts'
import { changeState, readState, readTransitions } from '../../src/learning/rollout/state-store.ts'
import { activate, begin } from '../../src/learning/rollout/transitions.ts'
import { MemoryState } from '../../src/platform/shared-state/memory/memory-state.ts'
import type { Store } from '../../src/platform/store/store.ts'
import { inTransaction } from '../../src/platform/store/transaction.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { adapters, closeStores } from '../contracts/store-adapters.ts'
import { ledgerRow } from '../contracts/store-rows.ts'
import { artifactOf, likesLarge, likesSmall } from './loop-world.ts'

const log = createLogger({ level: 'silent' })
let now = Date.UTC(2026, 10, 23)
const clock = { now: () => performance.now(), epoch: () => now }
const models = ['small', 'medium', 'large']
const artifactName = 'c'.repeat(12)

function decision(fields: Partial<RoutingDecision> = {}): RoutingDecision {
  return {
    strategy: 'routeiq-auto',
    reason: 'learned',
    because: 'cluster 3 (integral), 0.71 against 0.64',
    chosen: 'small',
    candidates: models.map((model, index) => ({
      model,
      deployment: `${model}-1`,
      quality: 0.7 - index / 10,
      variance: 0.01,
      cost: 0.001 * (index + 1),
      latency: 100,
      utility: 0.7 - index / 10,
    })),
    lambda: 0.1,
    mu: 0,
    explored: false,
    propensity: 1,
    familiarity: 1,
    cluster: 3,
    artifact: artifactName,
    policy: 'p',
    features: Buffer.from(Float32Array.of(1, 0.5).buffer).toString('base64'),
    microseconds: 120,
    ...fields,
  }
}

let serial = 0
const callOf = (fields: Partial<DecidedCall> = {}): DecidedCall => ({
  recordId: `record-${++serial}`,
  callId: `record-${serial}`,
  at: now,
  router: 'default',
  route: 'auto',
  token: 'a'.repeat(64),
  userId: 'user-1',
  teamId: undefined,
  session: 'x',
  ...fields,
})

const outcome = (fields: Partial<CallOutcome> = {}): CallOutcome => ({
  status: 200,
  error: undefined,
  answeredBy: 'small',
  inputTokens: 10,
  outputTokens: 20,
  cost: 1_000_000,
  duration: 300,
  ttft: 100,
  finish: 'stop',
  checks: { notEmpty: true },
  ...fields,
})

const owner: FeedbackCaller = { token: 'a'.repeat(64), userId: undefined, admin: false, keepsText: false }

describe.each(adapters.filter(({ usable, name }) => usable && name !== 'SQLite in a file'))(
  'the loop on $name',
  adapter => {
    let store: Store
    const state = new MemoryState()
    let feedback: Feedback
    let recorder: DecisionRecorder

    beforeAll(async () => {
      await adapter.start()
      store = await adapter.open()
      recorder = new DecisionRecorder({ store, clock, log })
      feedback = new Feedback({
        store,
        state,
        clock,
        linear: () => true,
        flush: () => recorder.flush(),
        perMinute: 1e9,
        perDay: 1e9,
        patience: 0,
      })
    })
    afterAll(async () => {
      await recorder.close()
      await closeStores()
      await adapter.stop()
      await state.close()
    })

    const record = (
      made: Partial<RoutingDecision> = {},
      ended: Partial<CallOutcome> = {},
      by: Partial<DecidedCall> = {},
    ) => {
      const call = callOf(by)
      recorder.decided(decision(made), call)
      recorder.settled(call.recordId, outcome(ended))
      return call.recordId
    }
    const cell = (cluster: number, model = 'small') =>
      store.db
        .selectFrom('router_cells')
        .selectAll()
        .where('cluster', '=', cluster)
        .where('model', '=', model)
        .executeTakeFirst()

    it('keeps a decision with its outcome, as numbers and hashes', async () => {
      const id = record({ cluster: 9 }, { status: 502, error: 'upstream_bad_response', cost: undefined, checks: {} })
      await recorder.flush()
      const rows = []
      for await (const row of readDecisions(store)) rows.push(row)
      const found = rows.find(row => row.id === id)
      expect(found).toMatchObject({ failed: true, cost: undefined, checked: undefined, chosen: 'small', cluster: 9 })
      expect(found?.details.candidates).toHaveLength(3)
      expect(JSON.stringify(found)).not.toContain('integral')
    })

    it('counts feedback once, however often and however parallel it comes', async () => {
      const ids = Array.from({ length: 10 }, () => record({ cluster: 20 }))
      await recorder.flush()
      const sent = ids.flatMap(requestId =>
        Array.from({ length: 4 }, () => ({
          requestId,
          kind: 'thumbs',
          score: 1,
          scale: '-1..1' as const,
          comment: undefined,
        })),
      )
      const results = await Promise.all(sent.map(one => feedback.give(owner, one)))
      expect(results.filter(({ status }) => status === 'recorded')).toHaveLength(10)
      const once = await cell(20)
      expect(once).toMatchObject({ events: 10 })
      const arm = async () => (await store.db.selectFrom('router_arms').selectAll().execute())[0]
      expect(await arm()).toMatchObject({ events: 10, model: 'small' })
      for (const one of sent) await feedback.give(owner, one)
      expect(await cell(20)).toEqual(once)
      // A thumb that turns takes back what it gave, and turning back gives it again.
      const turned = { ...sent[0]!, score: -1 }
      expect(await feedback.give(owner, turned)).toMatchObject({ status: 'corrected' })
      expect(await cell(20)).toMatchObject({ events: 10, reward: once!.reward - 1_000_000 })
      await feedback.give(owner, sent[0]!)
      expect(await cell(20)).toMatchObject({ reward: once!.reward })
    })

    it('teaches the model that answered, not the one that was chosen and failed', async () => {
      const id = record({ cluster: 21 }, { answeredBy: 'large' })
      await feedback.give(owner, { requestId: id, kind: 'user', score: 1, scale: '0..1', comment: undefined })
      expect(await cell(21, 'large')).toMatchObject({ events: 1 })
      expect(await cell(21, 'small')).toBeUndefined()
    })

    it('waits for the decision of a call that the books have first, and not for one of an hour ago', async () => {
      const patient = new Feedback({
        store,
        state,
        clock,
        linear: () => false,
        flush: async () => {},
        patience: 20_000,
      })
      const booked = (id: string, endedAt: number) => {
        const moments = { started_at: endedAt, ended_at: endedAt, token: owner.token, user_id: null, call_id: null }
        return store.db
          .insertInto('ledger')
          .values(ledgerRow(1, { id, ...moments }))
          .execute()
      }
      const give = (requestId: string) =>
        patient.give(owner, { requestId, kind: 'user', score: 1, scale: '0..1', comment: undefined })
      await booked('from-before', now - 3_600_000)
      expect(await give('from-before')).toMatchObject({ status: 'recorded', learned: false })
      await booked('at-another-replica', now)
      const given = give('at-another-replica')
      await new Promise(resolve => setTimeout(resolve, 300))
      record({ cluster: 24 }, {}, { recordId: 'at-another-replica' })
      await recorder.flush()
      expect(await given).toMatchObject({ status: 'recorded', learned: true })
      expect(await cell(24)).toMatchObject({ events: 1 })
    })

    it('hides calls of others, also behind an id that both chose', async () => {
      record({ cluster: 22 }, {}, { callId: 'same-name', token: 'b'.repeat(64), userId: undefined })
      const mine = record({ cluster: 23 }, {}, { callId: 'same-name' })
      const later = record({ cluster: 22 }, {}, { callId: 'same-name', token: 'b'.repeat(64), userId: undefined })
      await recorder.flush()
      await feedback.give(owner, { requestId: 'same-name', kind: 'user', score: 1, scale: '0..1', comment: undefined })
      expect(await cell(23)).toMatchObject({ events: 1 })
      expect(await cell(22)).toBeUndefined()
      const foreign = { requestId: later, kind: 'user', score: 1, scale: '0..1' as const, comment: undefined }
      await expect(feedback.give(owner, foreign)).rejects.toThrow(/No call of yours/)
      await expect(
        feedback.give({ ...owner, userId: 'user-1', token: 'z' }, { ...foreign, requestId: mine }),
      ).resolves.toMatchObject({
        status: 'recorded',
      })
    })

    it('changes a state for one of many at a time, each change on record', async () => {
      const change = (expected?: number) =>
        inTransaction(store, trx =>
          changeState(
            trx,
            store.dialect,
            { router: 'contested', actor: 'a', now, ...(expected === undefined ? {} : { expected }) },
            before => ({ state: { ...before, exploration: before.exploration + 1 }, reason: 'more', artifact: null }),
          ),
        )
      await change()
      const results = await Promise.all(Array.from({ length: 8 }, () => change(1)))
      expect(results.filter(result => result !== undefined)).toHaveLength(1)
      await Promise.all(Array.from({ length: 8 }, () => change()))
      expect(await readState(store.db, 'contested')).toMatchObject({ revision: 10, state: { exploration: 11 } })
      expect(await readTransitions(store.db, 'contested')).toHaveLength(10)
    })

    it('never uses an artifact that was damaged in the store, and takes its rollout back', async () => {
      const [good, bad] = [await artifactOf(likesLarge, { day: 1 }), await artifactOf(likesSmall, { day: 2 })]
      const [first, second] = [readArtifact(good), readArtifact(bad)]
      const directory = new RouterDirectory({ store, state, clock, log, read: readArtifact, interval: 1e6 })
      await inTransaction(store, async trx => {
        await putArtifact(trx, { router: 'damaged', bytes: good, trained: first, createdBy: 'me' }, now)
        expect(await putArtifact(trx, { router: 'damaged', bytes: good, trained: first, createdBy: 'me' }, now)).toBe(
          false,
        )
        await putArtifact(trx, { router: 'damaged', bytes: bad, trained: second, createdBy: 'me' }, now)
        await changeState(trx, store.dialect, { router: 'damaged', actor: 'me', now }, before =>
          activate(before, first.id, 'x'),
        )
      })
      await directory.start()
      expect(directory.assign('damaged', 's')?.artifact?.id).toBe(first.id)
      const row = await store.db
        .selectFrom('router_artifact_parts')
        .selectAll()
        .where('artifact', '=', second.id)
        .where('part', '=', 0)
        .executeTakeFirstOrThrow()
      const bytes = Buffer.from(row.content, 'base64')
      bytes.writeUInt8(bytes.readUInt8(5000) ^ 4, 5000)
      await store.db
        .updateTable('router_artifact_parts')
        .set({ content: bytes.toString('base64') })
        .where('artifact', '=', second.id)
        .where('part', '=', 0)
        .execute()
      await inTransaction(store, trx =>
        changeState(trx, store.dialect, { router: 'damaged', actor: 'me', now }, before =>
          begin(before, {
            id: 'r',
            artifact: second.id,
            now,
            guards: guardDefaults,
            automatic: true,
            shares: [1],
            thresholds: null,
          }),
        ),
      )
      await directory.refresh()
      for (const key of ['a', 'b', 'c']) expect(directory.assign('damaged', key)?.artifact?.id).toBe(first.id)
      expect(directory.artifacts.problemOf(second.id)).toMatch(/corrupt|SHA-256/)
      const controller = new RolloutController({
        store,
        clock,
        log,
        announce: () => directory.refresh(),
        problemOf: id => directory.artifacts.problemOf(id),
      })
      await controller.look()
      expect(await readState(store.db, 'damaged')).toMatchObject({ state: { active: first.id, rollout: null } })
      // Put into force by hand all the same (an older program, say): what was in force stays.
      await inTransaction(store, trx =>
        changeState(trx, store.dialect, { router: 'damaged', actor: 'me', now }, before =>
          activate(before, second.id, 'x'),
        ),
      )
      await directory.refresh()
      expect(directory.assign('damaged', 'a')?.artifact?.id).toBe(first.id)
      await directory.close()
    })

    it('tells what another policy would have earned, from decisions that were made by chance', async () => {
      let dice = 1
      const random = (): number => {
        dice = (Math.imul(dice, 1664525) + 1013904223) >>> 0
        return dice / 2 ** 32
      }
      const skill = [0.3, 0.5, 0.9]
      for (let call = 0; call < 1200; call++) {
        const index = Math.floor(random() * 3)
        record(
          { chosen: models[index]!, propensity: 1 / 3, explored: true, cluster: -1, artifact: undefined },
          { answeredBy: models[index]!, checks: { jsonValid: random() < skill[index]! } },
          { router: 'chance' },
        )
      }
      await recorder.flush()
      const filter = { router: 'chance', from: 0, until: now + 1, reward: 'checks', most: 1e6 } as const
      for (const [index, model] of models.entries()) {
        const { doublyRobust } = policyValue(await loggedChoices(store, { kind: 'model', model }, filter))
        expect(Math.abs(doublyRobust.value - skill[index]!), model).toBeLessThan(3 * doublyRobust.standardError)
      }
    })

    it('sums up the arms of an experiment', async () => {
      const experiment = await inTransaction(store, trx =>
        startExperiment(
          trx,
          {
            router: 'ab',
            name: 'a or b',
            createdBy: 'me',
            arms: [
              { name: 'a', share: 0.5 },
              { name: 'b', share: 0.5, strategy: 'simple-shuffle' },
            ],
            goal: 'cost',
            alpha: 0.05,
            minCalls: 50,
            caps: { cost: 4_000_000, latency: 1000 },
          },
          now,
        ),
      )
      for (let call = 0; call < 120; call++) {
        for (const arm of ['a', 'b']) {
          const assignment = { experiment: experiment.id, arm }
          record({ assignment }, { cost: arm === 'a' ? 3_000_000 : 1_000_000 }, { router: 'ab' })
        }
      }
      await recorder.flush()
      const result = await experimentResult(store, experiment)
      expect(result.arms.map(({ calls }) => calls)).toEqual([120, 120])
      expect(result.arms[0].costPer1k).toBeCloseTo(3)
      expect(result).toMatchObject({ winner: 'b', enough: true })
    })

    it('freezes promotions and explores more when a model gets worse, and begins anew when somebody has looked', async () => {
      const trained = readArtifact(await artifactOf(likesLarge, { day: 1 }))
      const alarmsSeen: string[] = []
      const monitor = new DriftMonitor({
        store,
        clock,
        log,
        settings: () => ({ window: 1000, inputPsi: 0.3, exploration: 3 }),
        artifact: () => trained,
        announce: async () => undefined,
        onAlarm: (_router, { signal, what }) => alarmsSeen.push(`${signal} ${what}`),
      })
      await inTransaction(store, trx =>
        changeState(trx, store.dialect, { router: 'watched', actor: 'me', now }, before =>
          activate(before, trained.id, 'x'),
        ),
      )
      await monitor.look()
      const calls = (count: number, fields: Partial<CallOutcome>): void => {
        for (let call = 0; call < count; call++) {
          record({ artifact: trained.id.slice(0, 12), cluster: 0 }, fields, { router: 'watched' })
        }
      }
      const settle = async (): Promise<void> => {
        await recorder.flush()
        now += 5000
        await monitor.look()
      }
      now += 10
      calls(300, {})
      await settle()
      calls(100, {})
      await settle()
      expect((await readState(store.db, 'watched'))?.state.frozen).toBeNull()
      calls(60, { status: 500, error: 'upstream_error' })
      await settle()
      expect(alarmsSeen).toContain('errors small')
      expect((await readState(store.db, 'watched'))?.state).toMatchObject({
        frozen: { reason: expect.stringContaining('errors') },
        exploration: 3,
      })
      expect((await readTransitions(store.db, 'watched'))[0]).toMatchObject({ actor: 'system:drift' })
      const before = alarmsSeen.length
      await settle()
      expect(alarmsSeen).toHaveLength(before)
      await inTransaction(store, trx =>
        changeState(trx, store.dialect, { router: 'watched', actor: 'me', now }, before => ({
          state: { ...before, frozen: null, exploration: 1 },
          reason: 'seen',
          artifact: null,
        })),
      )
      await settle()
      expect((await readDrift(store, 'watched'))?.alarms).toEqual([])
    })

    it('forgets what is old, and text sooner', async () => {
      const captures = new Captures({ store, clock, log, keepFor: 1000, maxRows: 3 })
      for (let call = 0; call < 5; call++) {
        captures.offer(callOf({ at: now + call }), 1, { prompt: `words ${call}`, system: '', response: undefined })
      }
      await captures.flush()
      expect(await captures.expire()).toBe(2)
      now += 2000
      expect(await captures.expire()).toBe(3)
      await captures.close()
      record()
      await recorder.flush()
      const count = async () => (await store.db.selectFrom('router_decisions').select('id').execute()).length
      const all = await count()
      expect(await forgetDecisions(store, now)).toBe(all - 1)
      expect(await count()).toBe(1)
    })
  },
)
