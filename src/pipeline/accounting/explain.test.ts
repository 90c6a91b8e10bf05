import { describe, expect, it } from 'vitest'
import { administrator } from '../identity/master-key.ts'
import { deployment, price } from '../routing/routing.fixtures.ts'
import { finishedCall, hop, tokens } from './accounting.fixtures.ts'
import { ExplainLog } from './explain.ts'

const first = deployment('d1', { price: price(3_000_000, 15_000_000) })
const second = deployment('d2')
const plan = {
  group: 'group',
  strategy: 'simple-shuffle',
  reason: 'drawn',
  considered: [
    { deployment: first, dropped: undefined },
    { deployment: second, dropped: 'cooling_down' as const },
  ],
  chosen: 'd1',
}
const answered = (id: string) =>
  finishedCall(id, { deployment: first, plans: [plan], hops: [hop(first)], usage: tokens(3, 4), upstreamTime: 40 })

describe('ExplainLog', () => {
  it('tells what was considered, tried, used and paid', () => {
    const log = new ExplainLog(5)
    log.record(answered('a'), 1050)
    expect(log.find('a', 'owner')).toMatchObject({
      request_id: 'a',
      key_hash: 'owner',
      created: '2023-11-14T22:13:20.000Z',
      requested_model: 'group',
      status: 200,
      error: null,
      config_version: 7,
      plans: [
        {
          strategy: 'simple-shuffle',
          reason: 'drawn',
          candidates: [
            { deployment_id: 'd1', kept: true, reason: 'drawn' },
            { deployment_id: 'd2', kept: false, reason: 'cooling down after failures' },
          ],
        },
      ],
      hops: [{ deployment_id: 'd1', status: 200, outcome: 'answered', message: null, duration_ms: 50 }],
      usage: { input: 3, output: 4 },
      cost: { total: 69_000, priced: true },
      timing_ms: { total: 50, upstream: 40, own: 10, ttft: null },
    })
  })

  it('keeps every plan and hop of a call that took several, and nothing of the slot’s last user', () => {
    const log = new ExplainLog(1)
    log.record(answered('a'), 1050)
    const failed = hop(second, { status: 503, error: 'service_unavailable', message: 'down' })
    const plans = [{ ...plan, chosen: 'd2' }, plan]
    const rough = finishedCall('b', {
      deployment: first,
      plans,
      hops: [failed, hop(first, { delay: 250 })],
      fallbacks: 1,
    })
    log.record(rough, 1100)
    expect(log.find('a', 'owner')).toBeUndefined()
    expect(log.find('b', 'owner')).toMatchObject({
      plans: [{ candidates: [{ reason: 'ranked behind' }, {}] }, {}],
      hops: [
        { outcome: 'service_unavailable', message: 'down' },
        { outcome: 'answered', waited_ms: 250 },
      ],
      usage: null,
      cost: null,
    })
    log.record(finishedCall('c', { status: 404, error: 'model_not_found' }), 1001)
    expect(log.find('c', 'owner')).toMatchObject({
      status: 404,
      error: 'model_not_found',
      plans: [],
      hops: [],
      cost: null,
    })
  })

  it('is bounded, drops the oldest, and can be resized and turned off', () => {
    const log = new ExplainLog(3)
    for (const id of ['1', '2', '3', '4', '5']) log.record(answered(id), 1050)
    const known = () => ['1', '2', '3', '4', '5', '6', '7'].filter(id => log.find(id, 'owner') !== undefined).join('')
    expect([log.size, known()]).toEqual([3, '345'])
    log.resize(2)
    expect(known()).toBe('45')
    log.resize(4)
    for (const id of ['6', '7']) log.record(answered(id), 1050)
    expect([log.size, known()]).toEqual([4, '4567'])
    log.resize(0)
    log.record(answered('8'), 1050)
    expect([log.size, known()]).toEqual([0, ''])
  })

  it('shows a call to its own key only, also where two used one id', () => {
    const log = new ExplainLog(4)
    log.record(answered('same'), 1050)
    log.record(
      finishedCall('same', {
        identity: { ...administrator('master_key', 'other'), keyHash: 'other' },
        status: 500,
        error: 'x',
      }),
      1050,
    )
    expect(log.find('same', 'stranger')).toBeUndefined()
    expect(log.find('same', 'owner')?.status).toBe(200)
    expect(log.find('same', 'other')?.status).toBe(500)
  })

  it('finds a call by the longest id, and no other by its beginning', () => {
    const log = new ExplainLog(2)
    const long = 'x'.repeat(128)
    log.record(answered(long), 1050)
    log.record(answered('xy'), 1050)
    expect(log.find(long, 'owner')?.request_id).toBe(long)
    expect(log.find('xy', 'owner')?.request_id).toBe('xy')
    expect(log.find('x', 'owner')).toBeUndefined()
    // The slot of the long one is used again.
    log.record(answered('short'), 1050)
    expect(log.find(long, 'owner')).toBeUndefined()
    expect(log.find('short', 'owner')?.request_id).toBe('short')
  })

  it('keeps every model name and reason, however many there are', () => {
    const log = new ExplainLog(1500)
    for (let i = 0; i < 1500; i++) {
      const plans = [{ ...plan, reason: `reason ${i}` }]
      log.record(finishedCall(`id-${i}`, { deployment: first, plans, hops: [hop(first)], model: `wild/${i}` }), 1050)
    }
    for (const i of [0, 999, 1000, 1499]) {
      const found = log.find(`id-${i}`, 'owner')
      expect(found).toMatchObject({ requested_model: `wild/${i}`, plans: [{ reason: `reason ${i}` }] })
    }
  })
})
