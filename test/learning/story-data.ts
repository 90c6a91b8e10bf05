import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Dataset } from '../../src/learning/dataset.ts'
import { seededRandom } from '../../src/pipeline/routing/routing.fixtures.ts'
import { countWords } from '../upstream/plan.ts'

/** A prompt and how well each vendor's model answers it, 0..1, in the order of the world's models. */
export interface StoryPrompt {
  readonly text: string
  readonly quality: readonly number[]
}

export interface StoryModel {
  readonly id: string
  /** US dollars per token. */
  readonly input: number
  readonly output: number
}

export interface StoryData {
  readonly source: string
  readonly models: readonly StoryModel[]
  /** What users ask from day 0 on. */
  readonly known: readonly StoryPrompt[]
  /** What is never asked before the artifact is in force. */
  readonly heldOut: readonly StoryPrompt[]
}

const counts = { known: 240, heldOut: 300 }

/**
 * Results of real models on real prompts where ROUTING_DATA names a folder with them (they may not be copied into this
 * repository), else made-up ones of the same kind: four models, five kinds of prompts, nobody best at everything.
 */
export function storyData(folder = process.env['ROUTING_DATA']): StoryData {
  const { prompts, ...rest } = folder === undefined || folder === '' ? madeUp() : recorded(folder)
  const { known, heldOut } = counts
  if (prompts.length < known + heldOut) throw new Error(`${prompts.length} prompts are too few for this story`)
  return { ...rest, known: prompts.slice(0, known), heldOut: prompts.slice(known, known + heldOut) }
}

type Source = Omit<StoryData, 'known' | 'heldOut'> & { readonly prompts: readonly StoryPrompt[] }

/** Of nine models those four, and of fourteen tasks those five, whose differences a few hundred prompts can show. */
const chosenModels = [
  'gemma-2-9b-it',
  'llama-3.1-8b-instruct',
  'llama-3.3-nemotron-super-49b-v1',
  'qwen2.5-7b-instruct',
]
const chosenTasks = new Set(['math', 'mmlu', 'commonsense_qa', 'commongen', 'human_eval'])

interface RecordedRow {
  readonly id: string
  readonly task: string
  readonly text: string
  readonly q: readonly number[]
}

function recorded(folder: string): Source {
  const meta = JSON.parse(readFileSync(join(folder, 'llmrouter-9m.meta.json'), 'utf8')) as {
    readonly models: readonly string[]
    readonly usd_per_mtok_in_out: Readonly<Record<string, readonly [number, number]>>
  }
  const lines = gunzipSync(readFileSync(join(folder, 'llmrouter-9m.jsonl.gz')))
    .toString('utf8')
    .trim()
    .split('\n')
  const columns = chosenModels.map(id => meta.models.indexOf(id))
  const rows = lines.map(line => JSON.parse(line) as RecordedRow).filter(({ task }) => chosenTasks.has(task))
  // By hash: the same order in every run, tasks mixed.
  const place = new Map(rows.map(row => [row, createHash('sha256').update(`story|${row.id}`).digest('hex')]))
  rows.sort((a, b) => (place.get(a)! < place.get(b)! ? -1 : 1))
  return {
    source: 'llmrouter-9m',
    models: chosenModels.map(id => {
      const [input, output] = meta.usd_per_mtok_in_out[id]!
      return { id, input: input / 1e6, output: output / 1e6 }
    }),
    prompts: rows.map(({ text, q }) => ({ text, quality: columns.map(column => q[column]!) })),
  }
}

/** Skills of the four, by kind of prompt: about those of the recorded ones. */
const kinds = [
  {
    skills: [0.18, 0.37, 0.75, 0.3],
    frame: 'Solve for x and give the exact value:',
    words: ['polynomial', 'integral', 'modulo', 'radius', 'matrix', 'sequence', 'cosine', 'divisor', 'vertex', 'limit'],
  },
  {
    skills: [0.8, 0.68, 0.82, 0.15],
    frame: 'Choose the right letter. Which statement is true of',
    words: ['treaty', 'enzyme', 'statute', 'monsoon', 'ledger', 'neuron', 'dynasty', 'isotope', 'tariff', 'plateau'],
  },
  {
    skills: [0.7, 0.73, 0.5, 0.9],
    frame: 'What would most people do first with',
    words: ['umbrella', 'kettle', 'ladder', 'suitcase', 'blanket', 'candle', 'bicycle', 'bucket', 'pillow', 'broom'],
  },
  {
    skills: [0.6, 0.85, 0.4, 0.55],
    frame: 'Write one sentence that has all these words:',
    words: ['dog', 'river', 'throw', 'sing', 'crowd', 'stage', 'paint', 'climb', 'winter', 'market'],
  },
  {
    skills: [0.1, 0.57, 0.6, 0.85],
    frame: 'Complete this function and return only code: def',
    words: [
      'parse_list',
      'count_vowels',
      'merge_dict',
      'is_prime',
      'rotate',
      'flatten',
      'encode',
      'bisect',
      'sum_even',
    ],
  },
] as const

function madeUp(): Source {
  const roll = seededRandom(20)
  const seen = new Set<string>()
  const prompts: StoryPrompt[] = []
  while (prompts.length < counts.known + counts.heldOut) {
    const kind = kinds[prompts.length % kinds.length]!
    const word = (): string => kind.words[Math.floor(roll() * kind.words.length)]!
    const text = `${kind.frame} ${word()} and ${word()}, ${word()} of ${word()} ${Math.floor(roll() * 90) + 10}?`
    if (seen.has(text)) continue
    seen.add(text)
    prompts.push({ text, quality: kind.skills.map(skill => (roll() < skill ? 1 : 0)) })
  }
  return {
    source: 'made up',
    models: [
      { id: 'compact-9b', input: 1e-7, output: 1e-7 },
      { id: 'writer-8b', input: 2e-7, output: 2e-7 },
      { id: 'reasoner-49b', input: 9e-7, output: 9e-7 },
      { id: 'coder-7b', input: 2e-7, output: 2e-7 },
    ],
    prompts,
  }
}

/** As a file that `routeiq router eval --test` reads, with the names that the gateway's records have. @param costOf US dollars that the vendor charges for the prompt */
export function asRoutingData(
  { models }: StoryData,
  prompts: readonly StoryPrompt[],
  costOf: (prompt: StoryPrompt, model: StoryModel, at: number) => number,
): { readonly lines: string; readonly meta: string } {
  const lines = prompts.map((prompt, at) =>
    JSON.stringify({
      id: `held-out-${at}`,
      text: prompt.text,
      q: prompt.quality,
      in: countWords(prompt.text),
      c: models.map((model, column) => costOf(prompt, model, column)),
    }),
  )
  const prices = Object.fromEntries(
    models.map(({ id, input, output }) => [`openai/${id}`, [input * 1e6, output * 1e6]]),
  )
  return {
    lines: `${lines.join('\n')}\n`,
    meta: JSON.stringify({ name: 'held-out', models: Object.keys(prices), usd_per_mtok_in_out: prices }),
  }
}

/** What users ask, in memory, to train on beside the gateway. @param worth of an answer, given its quality */
export function asDataset({ models, known }: StoryData, worth: (quality: number) => number): Dataset {
  return {
    name: 'story',
    models: models.map(({ id, input, output }) => ({ id: `openai/${id}`, inputPrice: input, outputPrice: output })),
    rows: known.map(({ text, quality }, at) => ({
      id: `known-${at}`,
      text,
      group: `known-${at}`,
      quality: Float64Array.from(quality, worth),
      cost: Float64Array.from(models, ({ input, output }) => 40 * (input + output)),
      inputTokens: 40,
      outputTokens: Float64Array.from(models, () => 40),
      latency: Float64Array.from(models, () => 20),
    })),
    hash: 'b'.repeat(64),
  }
}
