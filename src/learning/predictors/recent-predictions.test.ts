import { expect, it } from 'vitest'
import type { Method, Prediction, TrainedRouter } from '../predictor.ts'
import { type Prompt, type PromptShape, plainShape } from '../prompt.ts'
import { RecentPredictions } from './recent-predictions.ts'

/** Gives every prompt that differs in anything a prediction of its own. */
class Numbering {
  readonly #numbers = new Map<string, number>()
  asked = 0

  prediction(): Prediction {
    const one = () => new Float32Array(1)
    return { features: one(), quality: one(), variance: one(), outputTokens: one(), familiarity: 1, cluster: 0 }
  }

  numberOf(prompt: Prompt, method: Method): number {
    const key = JSON.stringify([method, prompt])
    const number = this.#numbers.get(key) ?? this.#numbers.size
    this.#numbers.set(key, number)
    return number
  }

  predict(prompt: Prompt, method: Method, into: Prediction): void {
    this.asked++
    into.quality[0] = this.numberOf(prompt, method)
  }
}

const others: Partial<PromptShape>[] = [
  { turns: 2 },
  { historyCharacters: 9 },
  { tools: 3 },
  { toolSchemaDepth: 2 },
  { inToolLoop: true },
  { lastToolFailed: true },
  { images: 1 },
  { audio: 1 },
  { jsonSchema: true },
  { stream: true },
  { maxOutputTokens: 5 },
  { temperature: 0 },
]

it('looks a prompt up only where everything about it is the same', () => {
  const router = new Numbering()
  const recent = new RecentPredictions(router as unknown as TrainedRouter)
  expect(others.map(shape => Object.keys(shape)[0]).sort()).toEqual(Object.keys(plainShape).sort())
  const prompts = ['Hello', 'Prove the lemma'].flatMap(text => [
    { text, system: '', shape: plainShape },
    { text, system: 'Be brief.', shape: plainShape },
    ...others.map(shape => ({ text, system: '', shape: { ...plainShape, ...shape } })),
  ])
  const check = (prompt: Prompt, method: Method): void => {
    expect(recent.predict(prompt, method).quality[0]).toBe(router.numberOf(prompt, method))
  }
  for (const prompt of prompts) {
    for (const before of prompts) {
      // Thrice: seen, kept, looked up. Then one that differs in one thing.
      for (let times = 0; times < 3; times++) check(before, 'average')
      check(prompt, 'average')
      check(prompt, 'knn')
    }
  }
})

it('predicts a prompt that comes again twice, and no more', () => {
  const router = new Numbering()
  const recent = new RecentPredictions(router as unknown as TrainedRouter)
  for (let times = 0; times < 50; times++) {
    // Made anew each time, as every request does.
    recent.predict({ text: 'Hello', system: 'Be brief.', shape: { ...plainShape } }, 'average')
  }
  expect(router.asked).toBe(2)
})

it('remembers so many and no more', () => {
  const router = new Numbering()
  const recent = new RecentPredictions(router as unknown as TrainedRouter)
  const ask = (text: string) => recent.predict({ text, system: '', shape: plainShape }, 'average')
  for (let times = 0; times < 3; times++) ask('first')
  for (let at = 0; at < 300; at++) ask(`other ${at}`)
  const before = router.asked
  ask('first')
  expect(router.asked).toBe(before + 1)
})
