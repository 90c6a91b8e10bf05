import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** A pool of made-up skills over made-up words; what is learned does not matter, its size does. */
function dataset(): Dataset {
  let state = 1
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4_294_967_296
  }
  const word = (): string => `word${Math.floor(random() ** 2 * 4000)}`
  const rows: Row[] = []
  for (let i = 0; i < storedRows; i++) {
    const words = Array.from({ length: 40 + Math.floor(random() * 200) }, word)
    rows.push({
      id: `r${i}`,
      text: words.join(' '),
      group: `g${i}`,
      quality: Float64Array.from(benchModels, (_, model) => (random() < 0.3 + model / 6 ? 1 : 0)),
      cost: Float64Array.from(benchModels, ({ input, output }) => 300 * input + 200 * output),
      inputTokens: 300,
      outputTokens: Float64Array.from(benchModels, () => 200),
      latency: Float64Array.from(benchModels, () => 800),
    })
  }
  const models = benchModels.map(({ id, input, output }) => ({ id, inputPrice: input, outputPrice: output }))
  return { name: 'bench', models, rows, hash: 'b'.repeat(64) }
}

/** Path of the artifact; trained once and kept, because that takes longer than the benchmark, until its format changes. */
export async function benchArtifact(): Promise<string> {
  const folder = join(root, 'node_modules/.cache/bench-artifact')
  const path = join(folder, `router-${storedRows}.routeiq`)
  if (existsSync(path) && isCurrent(path)) return path
  mkdirSync(folder, { recursive: true })
  const { artifact } = await train(dataset(), {
    name: 'bench',
    methods: ['average', 'ridge', 'knn', 'tables'],
    folds: 2,
  })
  writeFileSync(path, artifact)
  return path
}

function isCurrent(path: string): boolean {
  try {
    readArtifact(readFileSync(path))
    return true
  } catch {
    return false
  }
}
