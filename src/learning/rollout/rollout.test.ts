import { describe, expect, it } from 'vitest'
import { type ArmTally, emptyArm, guardDefaults, type StageTally } from './guard-settings.ts'
import { judge } from './judge.ts'
import { emptyState, parseState, type RouterState, stageOf } from './state.ts'
import { activate, advance, begin, deactivate, freeze, rollBack, unfreeze } from './transitions.ts'

function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const started = (id: string, shares = [0.1, 1]): RouterState =>
  begin(
    { ...emptyState, active: 'old' },
    {
      id,
      artifact: 'new',
      now: 0,
      guards: { ...guardDefaults, minCalls: 1e9, minTime: 0 },
      automatic: true,
      shares,
      thresholds: { slow: 1000, dear: 4000, since: 0 },
    },
  ).state

interface Behaviour {
  readonly failed: number
  readonly slow: number
  readonly cost: number
  readonly reward: number
}

const well: Behaviour = { failed: 0.02, slow: 0.05, cost: 1000, reward: 0.7 }

/** Calls of both arms, looked at every 25. @returns calls of the candidate at the rollback; undefined: there was none */
function watch(seed: number, candidate: Behaviour, calls: number): { calls: number; guard: string } | undefined {
  const random = dice(seed)
  const state = started('r')
  const rollout = state.rollout!
  const arms: { control: ArmTally; candidate: ArmTally } = { control: emptyArm, candidate: emptyArm }
  for (let call = 1; call <= calls; call++) {
    const name = random() < 0.1 ? 'candidate' : 'control'
    const behaviour = name === 'candidate' ? candidate : well
    const before = arms[name]
    const failed = random() < behaviour.failed
    // Log-normal cost: a few calls are far dearer than the mean.
    const spread = Math.exp(0.8 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) - 0.32)
    const rated = random() < 0.3
    arms[name] = {
      calls: before.calls + 1,
      failed: before.failed + Number(failed),
      slow: failed ? before.slow : { n: before.slow.n + 1, sum: before.slow.sum + Number(random() < behaviour.slow) },
      cost: { n: before.cost.n + 1, sum: before.cost.sum + Math.min(1, (behaviour.cost * spread) / 4000) },
      feedback: rated
        ? { n: before.feedback.n + 1, sum: before.feedback.sum + Number(random() < behaviour.reward) }
        : before.feedback,
    }
    if (call % 25 !== 0) continue
    const verdict = judge(rollout, arms as StageTally, call)
    if (verdict.kind === 'roll_back') return { calls: arms.candidate.calls, guard: verdict.guard }
  }
  return undefined
}

describe('guards', () => {
  it('take a good candidate back in 5 of 100 rollouts at most', () => {
    let alarms = 0
    for (let seed = 1; seed <= 100; seed++) if (watch(seed, well, 3000) !== undefined) alarms++
    expect(alarms).toBeLessThanOrEqual(5)
  })

  it.each([
    ['errors', { ...well, failed: 0.2 }, 150],
    ['latency', { ...well, slow: 0.4 }, 150],
    ['cost', { ...well, cost: 2500 }, 400],
    ['feedback', { ...well, reward: 0.3 }, 400],
  ] as const)('notice worse %s', (guard, behaviour, within) => {
    for (let seed = 1; seed <= 15; seed++) {
      const found = watch(seed, behaviour, 8000)
      expect(found, `seed ${seed}`).toBeDefined()
      expect(found?.guard).toBe(guard)
      expect(found?.calls).toBeLessThan(within)
    }
  })

  it('let a step pass once there were enough calls for long enough, and nobody objects', () => {
    const base = started('r', [0, 0.5, 1]).rollout!
    const rollout = { ...base, guards: { ...guardDefaults, minCalls: 50, minTime: 1000 } }
    const calls = (control: number, candidate: number): StageTally => ({
      control: { ...emptyArm, calls: control },
      candidate: { ...emptyArm, calls: candidate },
    })
    expect(judge(rollout, calls(49, 0), 5000)).toMatchObject({ kind: 'wait', for: '1 more calls' })
    expect(judge(rollout, calls(50, 0), 999)).toMatchObject({ kind: 'wait', for: '1 more seconds' })
    expect(judge(rollout, calls(50, 0), 1000)).toMatchObject({ kind: 'advance' })
    const canary = { ...rollout, step: 1 }
    expect(judge(canary, calls(5000, 49), 5000)).toMatchObject({ kind: 'wait' })
    expect(judge(canary, calls(5000, 50), 5000)).toMatchObject({ kind: 'advance' })
  })

  it('hold the last step, which has no control, against the one before', () => {
    const base = started('r').rollout!
    const rollout = { ...base, step: 1, baseline: { ...emptyArm, calls: 1000, failed: 10 } }
    const candidate = { ...emptyArm, calls: 200, failed: 60 }
    expect(judge(rollout, { control: emptyArm, candidate }, 1)).toMatchObject({ kind: 'roll_back', guard: 'errors' })
    expect(judge({ ...rollout, baseline: null }, { control: emptyArm, candidate }, 1).kind).toBe('wait')
  })
})

describe('the state of a router', () => {
  it('goes from shadow over canaries to active, and back', () => {
    let state = started('r', [0, 0.05, 1])
    const stages = [stageOf(state)]
    for (let step = 0; step < 3; step++) {
      state = advance(state, step, 'well').state
      stages.push(stageOf(state))
    }
    expect(stages).toEqual(['shadow', 'canary_5', 'canary_100', 'active'])
    expect(state).toMatchObject({ active: 'new', previous: 'old', rollout: null })
    expect(rollBack(state, 'no').state).toMatchObject({ active: 'old', previous: 'new' })
    expect(rollBack(started('r'), 'no').state).toMatchObject({ active: 'old', previous: null, rollout: null })
    expect(deactivate(state, 'no').state).toMatchObject({ active: null, previous: 'new' })
    expect(parseState(JSON.stringify(started('r')))).toEqual(started('r'))
  })

  it('promotes nothing while drift has frozen it, but rolls back and obeys a person', () => {
    const frozen = freeze(started('r'), 5, 'inputs', 2).state
    expect(frozen).toMatchObject({ frozen: { since: 5, reason: 'inputs' }, exploration: 2 })
    expect(freeze(frozen, 9, 'again', 1).state).toMatchObject({ frozen: { since: 5 }, exploration: 2 })
    expect(() => advance(frozen, 1, 'well')).toThrow(/frozen: inputs/)
    expect(() => begin({ ...frozen, rollout: null }, { ...frozen.rollout!, now: 1, id: 'x', artifact: 'y' })).toThrow(
      /frozen/,
    )
    expect(rollBack(frozen, 'no').state).toMatchObject({ rollout: null, frozen: { reason: 'inputs' } })
    expect(activate(frozen, 'new', 'sure').state).toMatchObject({ active: 'new', frozen: null, exploration: 1 })
    expect(unfreeze(frozen, 'seen').state).toMatchObject({ frozen: null, exploration: 1 })
  })

  it('refuses what makes no sense now', () => {
    const state = started('r')
    expect(() => begin(state, { ...state.rollout!, now: 1 })).toThrow(/not over/)
    expect(() => advance({ ...emptyState }, 1, 'x')).toThrow(/no rollout/)
    expect(() => rollBack(emptyState, 'x')).toThrow(/no artifact before/)
    expect(() => deactivate(emptyState, 'x')).toThrow(/nothing is in force/)
    expect(() => activate({ ...emptyState, active: 'a' }, 'a', 'x')).toThrow(/in force already/)
    expect(() => unfreeze(emptyState, 'x')).toThrow(/not frozen/)
    for (const shares of [[], [0.5, 0.1], [0.5, 0.5], [-1], [2]]) {
      expect(() => started('r', shares), JSON.stringify(shares)).toThrow(/shares/)
    }
  })
})
