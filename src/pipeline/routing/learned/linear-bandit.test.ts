import { describe, expect, it } from 'vitest'
import { LinearArm } from '../../../learning/bandits/linucb.ts'
import { Scores } from '../../../learning/objective/scores.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import { armSetOf } from './arm-set.ts'
import { cheap, dear, groupOf, stubRouter } from './learned.fixtures.ts'
import { highestBound, moveByArms } from './linear-bandit.ts'

const router = stubRouter('f', () => ({ cheap: 0.5, dear: 0.5 }), ['cheap', 'dear'])
const set = armSetOf(groupOf(cheap, dear), router, { labels: {}, stated: new Map() })
const here = Float32Array.of(1, 0)
const elsewhere = Float32Array.of(0, 1)

function scored(
  arms: Readonly<Record<string, LinearArm>>,
  features: Float32Array | undefined,
  artifact: TrainedRouter | undefined = router,
) {
  const scores = new Scores(4)
  for (const { name } of set.arms) scores.quality[scores.add(name)] = 0.5
  const widths = new Float64Array(4).fill(9)
  moveByArms(scores, set, artifact, features, { arm: (_artifact, model) => arms[model] }, widths)
  return { scores, quality: [...scores.quality.slice(0, 2)], widths: [...widths.slice(0, 2)] }
}

function taught(events: number, reward: number): LinearArm {
  const arm = new LinearArm(2)
  for (let event = 0; event < events; event++) arm.update([1, 0], reward)
  return arm
}

describe('linear arms', () => {
  it('move what is predicted for prompts like those they heard of, after twenty voices', () => {
    expect(scored({ cheap: taught(19, 0) }, here).quality).toEqual([0.5, 0.5])
    const { quality, widths } = scored({ cheap: taught(60, 0) }, here)
    expect(quality[0]).toBeCloseTo(0.3)
    expect(quality[1]).toBe(0.5)
    expect(widths[0]).toBeLessThan(0.2)
    expect(widths[1]).toBe(1)
    expect(scored({ cheap: taught(60, 0) }, elsewhere)).toMatchObject({ quality: [0.5, 0.5], widths: [1, 1] })
  })

  it('say nothing where there are no features, and where they are of other ones', () => {
    expect(scored({ cheap: taught(60, 0) }, undefined)).toMatchObject({ quality: [0.5, 0.5], widths: [0, 0] })
    expect(scored({ cheap: new LinearArm(3) }, here).widths).toEqual([1, 1])
  })
})

describe('the highest bound', () => {
  function found(
    utility: readonly number[],
    widths: readonly number[],
    alpha: number,
    removed: readonly number[] = [],
  ) {
    const scores = new Scores(4)
    for (const [i, value] of utility.entries()) {
      scores.add(`m${i}`)
      scores.utility[i] = value
      scores.removed[i] = removed[i] ?? 0
    }
    return highestBound(scores, 0, Float64Array.from(widths), { alpha, regret: 0.1 })
  }

  it('is the best where nothing is unknown, or alpha is 0', () => {
    expect(found([0.7, 0.65, 0.5], [0, 0, 0], 1)).toBe(0)
    expect(found([0.7, 0.65, 0.5], [0, 1, 1], 0)).toBe(0)
  })

  it('is the least known among those that are safe and kept', () => {
    expect(found([0.7, 0.65, 0.5], [0.1, 0.8, 1], 0.1)).toBe(1)
    expect(found([0.7, 0.65, 0.5], [0.1, 0.3, 9], 0.1), 'too far below the best').toBe(0)
    expect(found([0.7, 0.65, 0.5], [0.1, 0.8, 1], 0.1, [0, 5]), 'removed').toBe(0)
  })
})
