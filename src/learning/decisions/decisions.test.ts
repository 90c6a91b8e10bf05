import { describe, expect, it } from 'vitest'
import { openStore } from '../../platform/store/open-store.ts'
import { type Store, StoreUnavailable } from '../../platform/store/store.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import type { RoutingDecision } from '../decision.ts'
import type { CallOutcome, DecidedCall } from '../rollout/port.ts'
import { captureShare, sampled } from './captures.ts'
import { DecisionRecorder } from './recorder.ts'
import { redactText } from './redact.ts'

const log = createLogger({ level: 'silent' })
const clock = { now: () => 0, epoch: () => 1_800_000_000_000 }
const decision: RoutingDecision = {
  strategy: 's',
  reason: 'learned',
  because: '',
  chosen: 'a',
  candidates: [],
  lambda: 0,
  mu: 0,
  explored: false,
  propensity: 1,
  familiarity: 1,
  cluster: 0,
  artifact: undefined,
  policy: 'p',
  microseconds: 1,
}
const call = (recordId: string): DecidedCall => ({
  recordId,
  callId: recordId,
  at: 1,
  router: 'default',
  route: 'auto',
  token: 't',
  userId: undefined,
  teamId: undefined,
  session: undefined,
})
const outcome: CallOutcome = {
  status: 200,
  error: undefined,
  answeredBy: 'a',
  inputTokens: 1,
  outputTokens: 1,
  cost: 1,
  duration: 1,
  ttft: undefined,
  finish: 'stop',
  checks: {},
}

describe('the recorder', () => {
  it('stays in bounds while the store is away, drops the oldest, counts them, and catches up', async () => {
    const store = await openStore({ kind: 'memory' })
    const closed = await openStore({ kind: 'memory' })
    await closed.close()
    let away = true
    const flaky: Store = {
      ...store,
      get db() {
        return away ? closed.db : store.db
      },
    }
    const recorder = new DecisionRecorder({ store: flaky, clock, log, maxQueued: 100, maxPending: 10, interval: 1e6 })
    for (let at = 0; at < 250; at++) {
      recorder.decided(decision, call(`id-${String(at).padStart(4, '0')}`))
      recorder.settled(`id-${String(at).padStart(4, '0')}`, outcome)
    }
    await expect(recorder.flush()).rejects.toThrow(StoreUnavailable)
    const { queued, dropped } = recorder.counts
    expect(queued).toBeLessThanOrEqual(100)
    expect(queued + dropped).toBe(250)
    away = false
    await recorder.flush()
    expect(recorder.counts).toMatchObject({ queued: 0, written: queued })
    const rows = await store.db.selectFrom('router_decisions').select('id').orderBy('id', 'desc').execute()
    expect(rows[0]?.id).toBe('id-0249')
    await recorder.close()
    await store.close()
  })

  it('keeps so many in a second, spread over it, whatever was decided', async () => {
    const store = await openStore({ kind: 'memory' })
    let time = 0
    const recorder = new DecisionRecorder({ store, clock: { ...clock, now: () => time }, log, perSecond: () => 100 })
    const kept: number[] = []
    for (; time < 10_000; time++) {
      if (recorder.admits()) recorder.decided(decision, call(`t-${time}`))
      if (recorder.settled(`t-${time}`, outcome) !== undefined) kept.push(time)
    }
    expect(kept.length).toBeGreaterThanOrEqual(1000)
    expect(kept.length).toBeLessThanOrEqual(1100)
    for (let second = 1; second < 9; second++) {
      const inHalf = kept.filter(at => at >= second * 1000 && at < second * 1000 + 500)
      expect(inHalf.length).toBeGreaterThanOrEqual(49)
      expect(inHalf.length).toBeLessThanOrEqual(51 + (second === 1 ? 60 : 0))
    }
    expect(recorder.counts.thinned).toBe(10_000 - kept.length)
    await recorder.close()
    await store.close()
  })

  it('forgets calls that never end, and ignores ends of calls it does not know', async () => {
    const store = await openStore({ kind: 'memory' })
    const recorder = new DecisionRecorder({ store, clock, log, maxPending: 3 })
    for (const id of ['a', 'b', 'c', 'd']) recorder.decided(decision, call(id))
    expect(recorder.counts).toMatchObject({ pending: 3, unsettled: 1 })
    expect(recorder.settled('a', outcome)).toBeUndefined()
    expect(recorder.settled('d', outcome)).toBeDefined()
    expect(recorder.settled('d', outcome)).toBeUndefined()
    await recorder.close()
    expect(recorder.counts.written).toBe(1)
    await store.close()
  })
})

describe('capture', () => {
  it.each([
    [{}, 0],
    [{ routeiq_capture: true }, 1],
    [{ routeiq_capture: false }, 0],
    [{ routeiq_capture: 0.25 }, 0.25],
    [{ routeiq_capture: { sample: 0.1 } }, 0.1],
    [{ routeiq_capture: { sample: 7 } }, 1],
    [{ routeiq_capture: 'yes' }, 0],
    [{ routeiq_capture: -1 }, 0],
    [{ routeiq_capture: [1] }, 0],
    [{ routeiq_capture: null }, 0],
  ])('of %o is a share of %d', (metadata, share) => {
    expect(captureShare(metadata)).toBe(share)
  })

  it('samples by the call, the same everywhere', () => {
    const ids = Array.from({ length: 4000 }, (_, at) => `call-${at}`)
    const chosen = ids.filter(id => sampled(id, 0.1))
    expect(chosen.length).toBeGreaterThan(320)
    expect(chosen.length).toBeLessThan(480)
    expect(ids.filter(id => sampled(id, 0.1))).toEqual(chosen)
    expect(sampled('x', 0)).toBe(false)
    expect(sampled('x', 1)).toBe(true)
  })

  it.each([
    'mail me at jane.roe+spam@mail.example.co.uk please',
    'card 4111-1111-1111-1111 and',
    'call +49 (0)30 1234567 now',
    'IBAN DE89 3704 0044 0532 0130 00.',
    'from 192.168.10.20 it',
    'key sk-abcdefghijklmnop123456 here',
    'Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345',
  ])('hides personal data: %s', text => {
    const clean = redactText(text, 1000)
    expect(clean).toContain('[redacted]')
    for (const secret of ['jane', '4111', '1234567', '3704', '192.168', 'abcdefghijkl'])
      expect(clean).not.toContain(secret)
  })

  it('leaves plain words and small numbers, and cuts what is long in bounded time', () => {
    const plain = 'Prove that 3.14159 < 22/7 in 12 steps, version 1.2.3, year 2026.'
    expect(redactText(plain, 1000)).toBe(plain)
    const long = redactText(`begin ${'lorem 12345 a@b '.repeat(200_000)} end`, 500)
    expect(long.length).toBe(500)
    expect(long.startsWith('begin')).toBe(true)
    expect(long.endsWith('end')).toBe(true)
    const hard = redactText('1-'.repeat(50_000) + 'a.'.repeat(50_000), 16_000)
    expect(hard.length).toBeLessThanOrEqual(16_000)
  })
})
