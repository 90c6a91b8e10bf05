/**
 * `node bench/decision.ts [--train]`: what a decision of `routeiq-auto` costs inside the process: features, all its
 * predictors and the choice, on prompts of 2,000 characters that never came before and 5,000 stored rows; what an artifact
 * weighs and takes to load; with `--train`, how long 5,000 rows of nine models take to train. Processor time of a busy
 * machine is more than its wall clock is worth: look at the medians.
 */
import { parseArgs } from 'node:util'
import { readArtifact } from '../src/learning/artifact/artifact.ts'
import { choose, computeUtility } from '../src/learning/objective/choose.ts'
import { expectedCost } from '../src/learning/objective/expected-cost.ts'
import { Scores } from '../src/learning/objective/scores.ts'
import type { TrainedRouter } from '../src/learning/predictor.ts'
import { promptOf } from '../src/learning/prompt.ts'
import { train } from '../src/learning/training/train.ts'
import { benchArtifact, benchModels, dataset, storedRows, wordsOf } from './learned.ts'

const { values } = parseArgs({ options: { train: { type: 'boolean', default: false } } })
const decisions = 20_000
const warmUp = 4000

function decideTimes(router: TrainedRouter): Float64Array {
  const words = wordsOf(7)
  const prompts = Array.from({ length: decisions }, () => {
    const text = Array.from({ length: 260 }, words).join(' ').slice(0, 2000)
    return promptOf(text, 'You are a helpful assistant.')
  })
  const prediction = router.prediction()
  const scores = new Scores(benchModels.length)
  const times = new Float64Array(decisions - warmUp)
  for (const [index, prompt] of prompts.entries()) {
    const from = performance.now()
    router.predict(prompt, 'average', prediction)
    scores.clear()
    for (const [model, { id, input, output }] of benchModels.entries()) {
      scores.add(id)
      scores.quality[model] = prediction.quality[model] ?? 0
      const tokens = { input: 500, cached: 0, output: prediction.outputTokens[model] ?? 300 }
      scores.cost[model] = expectedCost({ input, output, cachedInput: input }, tokens)
    }
    computeUtility(scores, { lambda: 0.5, mu: 0, tie: 0.005, meanCost: router.meanCost, meanLatency: 1000 })
    choose(scores, 0.005)
    if (index >= warmUp) times[index - warmUp] = (performance.now() - from) * 1000
  }
  return times.sort()
}

function say(what: string, value: number, unit: string, goal: number): void {
  console.log(
    `${value <= goal ? 'ok  ' : 'MISS'}  ${what}: ${value.toFixed(value < 10 ? 2 : 0)} ${unit} (goal ≤ ${goal})`,
  )
}

const bytes = await benchArtifact()
say('artifact', bytes.length / 1e6, 'MB', 5)
const cpuBefore = process.cpuUsage()
const before = performance.now()
const router = readArtifact(bytes)
const { user, system } = process.cpuUsage(cpuBefore)
say('loading it, by the clock', performance.now() - before, 'ms', 100)
say('loading it, processor time', (user + system) / 1000, 'ms', 100)
const times = decideTimes(router)
say('a decision, median', times[Math.floor(times.length * 0.5)] ?? Number.NaN, 'µs', 250)
say('a decision, 99th percentile', times[Math.floor(times.length * 0.99)] ?? Number.NaN, 'µs', 1000)
if (values.train) {
  const from = performance.now()
  await train(dataset(3, 9), { name: 'bench', methods: ['average', 'ridge', 'knn', 'tables', 'trees'] })
  say(`training on ${storedRows} rows of nine models`, (performance.now() - from) / 1000, 's', 60)
}
