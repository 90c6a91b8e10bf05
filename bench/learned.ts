import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { readArtifact } from '../src/learning/artifact/artifact.ts'
import type { Dataset, Row } from '../src/learning/dataset.ts'
import { train } from '../src/learning/training/train.ts'
import { root } from '../test/harness/gateway.ts'

/** Stored rows of the artifact: what issue 4 promises a decision's time for. */
export const storedRows = 5000

/** Models of the pool, US dollars per token in and out. */
export const benchModels = [
  { id: 'bench-small', input: 1e-7, output: 4e-7 },
  { id: 'bench-medium', input: 5e-7, output: 2e-6 },
  { id: 'bench-large', input: 3e-6, output: 1.5e-5 },
  { id: 'bench-huge', input: 1e-5, output: 5e-5 },
] as const

/** Numbers 0..1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4_294_967_296
  }
}

/** Words of a made-up language, some of them common. */
export function wordsOf(seed: number): () => string {
  const random = randomOf(seed)
  return () => `word${Math.floor(random() ** 2 * 4000)}`
}

/** Made-up skills over made-up words; what is learned does not matter, its size does. */
export function dataset(seed: number, modelCount: number = benchModels.length): Dataset {
  const random = randomOf(seed)
  const word = wordsOf(seed)
  const pool = Array.from({ length: modelCount }, (_, at) => {
    const model = benchModels[at % benchModels.length] ?? benchModels[0]
    return at < benchModels.length ? model : { ...model, id: `${model.id}-${at}` }
  })
  const rows: Row[] = []
  for (let i = 0; i < storedRows; i++) {
    const words = Array.from({ length: 40 + Math.floor(random() * 200) }, word)
    rows.push({
      id: `r${i}`,
      text: words.join(' '),
      group: `g${i}`,
      quality: Float64Array.from(pool, (_, model) => (random() < 0.3 + (model % benchModels.length) / 6 ? 1 : 0)),
      cost: Float64Array.from(pool, ({ input, output }) => 300 * input + 200 * output),
      inputTokens: 300,
      outputTokens: Float64Array.from(pool, () => 200),
      latency: Float64Array.from(pool, () => 800),
    })
  }
  const models = pool.map(({ id, input, output }) => ({ id, inputPrice: input, outputPrice: output }))
  return { name: 'bench', models, rows, hash: 'b'.repeat(64) }
}

/** Of the artifact that decides; trained once and kept, because that takes longer than the benchmark. */
export const benchArtifact = async (): Promise<Buffer> => readFileSync(await benchArtifactPath())
/** Another of the same size, to be looked at beside it. */
export const otherArtifact = async (): Promise<Buffer> => readFileSync(await trainedArtifact(2))
export const benchArtifactPath = (): Promise<string> => trainedArtifact(1)

async function trainedArtifact(seed: number): Promise<string> {
  const folder = join(root, 'node_modules/.cache/bench-artifact')
  const path = join(folder, `router-${storedRows}-${seed}.routeiq`)
  if (existsSync(path) && isCurrent(path)) return path
  mkdirSync(folder, { recursive: true })
  const { artifact } = await train(dataset(seed), {
    name: `bench-${seed}`,
    methods: ['average', 'ridge', 'knn', 'tables'],
    folds: 2,
  })
  writeFileSync(path, artifact)
  return path
}

/** Made by an earlier version, it may be refused by this one. */
function isCurrent(path: string): boolean {
  try {
    readArtifact(readFileSync(path))
    return true
  } catch {
    return false
  }
}

/**
 * A group of four models with an artifact of 5,000 rows that chooses among them.
 * @param path of the artifact; undefined: one is put into force later
 * @param fault what the upstream shall do (`test/upstream/fault.ts`)
 */
export function learnedConfig(
  upstream: string,
  key: string,
  path?: string,
  fault?: string,
  strategy = 'routeiq-auto',
): string {
  return stringify({
    model_list: benchModels.map(({ id, input, output }) => ({
      model_name: 'gpt-4o-mini',
      litellm_params: {
        model: `openai/${id}`,
        api_base: `${upstream}/v1`,
        api_key: 'sk-bench',
        input_cost_per_token: input,
        output_cost_per_token: output,
        ...(fault === undefined ? {} : { extra_headers: { 'x-fault': fault } }),
      },
      model_info: { id },
    })),
    router_settings: {
      routing_strategy: strategy,
      ...(path === undefined ? {} : { routing_strategy_args: { model_path: path } }),
      num_retries: 2,
    },
    litellm_settings: { callbacks: ['prometheus'] },
    general_settings: { master_key: key },
    routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] }, log_level: 'warn' },
  })
}
