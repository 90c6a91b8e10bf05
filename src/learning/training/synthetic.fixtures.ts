import type { Dataset, Row } from '../dataset.ts'
import { seededRandom } from './numerics/random.ts'

/** Prompts of three kinds, and models each of which is good at one of them. Seeded: the same rows every time. */
const kinds = {
  mathematics: ['Compute the integral of', 'Solve the equation', 'Prove the theorem about', 'Find the derivative of'],
  code: [
    'Write a Python function that',
    'Fix the bug in this def',
    'Implement a class for',
    'Return the sorted list of',
  ],
  talk: ['Tell me a story about', 'What do you think of', 'Write a poem on', 'Describe a walk through'],
} as const
const subjects = [
  'numbers',
  'matrices',
  'strings',
  'rivers',
  'gardens',
  'graphs',
  'trees',
  'winters',
  'sets',
  'letters',
]
const endings = ['', ' Please explain.', ' Be brief.', ' Show every step.', ' Thank you!']

export type Kind = keyof typeof kinds
export const everyKind = Object.keys(kinds) as Kind[]

export function promptOfKind(kind: Kind, number: number): string {
  const random = seededRandom(number * 7919 + everyKind.indexOf(kind))
  const pick = (list: readonly string[]): string => list[random.below(list.length)] ?? ''
  return `${pick(kinds[kind])} ${pick(subjects)} and ${pick(subjects)} ${random.below(1000)}.${pick(endings)}`
}

export interface SyntheticModel {
  readonly id: string
  /** Share of right answers by kind. */
  readonly skill: Readonly<Record<Kind, number>>
  /** US dollars per token. */
  readonly price: number
  /** Output tokens, about. */
  readonly wordy: number
}

export const specialists: readonly SyntheticModel[] = [
  { id: 'euler', skill: { mathematics: 0.95, code: 0.4, talk: 0.3 }, price: 2e-6, wordy: 300 },
  { id: 'turing', skill: { mathematics: 0.4, code: 0.95, talk: 0.3 }, price: 2e-6, wordy: 150 },
  { id: 'austen', skill: { mathematics: 0.2, code: 0.2, talk: 0.95 }, price: 2e-6, wordy: 80 },
  { id: 'novice', skill: { mathematics: 0.3, code: 0.3, talk: 0.3 }, price: 1e-7, wordy: 100 },
]

export interface SyntheticOptions {
  readonly rows?: number
  readonly models?: readonly SyntheticModel[]
  readonly seed?: number
  /** Whether the model was tried on the row. */
  readonly tried?: (row: number, model: number) => boolean
}

export function syntheticDataset({
  rows = 300,
  models = specialists,
  seed = 1,
  tried = () => true,
}: SyntheticOptions = {}): Dataset {
  return {
    name: 'synthetic',
    hash: `synthetic-${seed}`,
    models: models.map(({ id, price }) => ({ id, inputPrice: price, outputPrice: price })),
    rows: Array.from({ length: rows }, (_, index): Row => {
      const kind = everyKind[index % everyKind.length] as Kind
      const text = promptOfKind(kind, index)
      const inputTokens = Math.ceil(text.length / 4)
      // A number of its own for each pair: leaving a model out, or another order, changes no other model's answers.
      const dice = models.map(({ id }) => seededRandom(seed * 1_000_003 + index * 101 + hashed(id)))
      const known = models.map((_model, model) => tried(index, model))
      const tokens = models.map(({ wordy }, model) => wordy * (0.5 + (dice[model]?.uniform() ?? 0)))
      return {
        id: `row-${index}`,
        text,
        task: kind,
        quality: Float64Array.from(models, ({ skill }, model) =>
          known[model] ? ((dice[model]?.uniform() ?? 1) < skill[kind] ? 1 : 0) : Number.NaN,
        ),
        cost: Float64Array.from(models, ({ price }, model) =>
          known[model] ? price * (inputTokens + (tokens[model] ?? 0)) : Number.NaN,
        ),
        inputTokens,
        outputTokens: Float64Array.from(tokens, (count, model) => (known[model] ? count : Number.NaN)),
        latency: new Float64Array(models.length).fill(Number.NaN),
      }
    }),
  }
}

const hashed = (id: string): number =>
  [...id].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 9973, 7)
