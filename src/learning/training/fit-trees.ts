import { qualityUnit } from '../predictors/knn.ts'
import type { Part } from '../predictors/part.ts'
import { leafMark } from '../predictors/trees.ts'
import { type Random, seededRandom } from './numerics/random.ts'
import type { Problem } from './training-rows.ts'

const trees = 100
/** Of the features, at each node. */
const triedShare = 0.3
const fewestRows = 5
/** Leaves grow with very many rows, so that a tree's nodes do not. */
const mostLeavesPerTree = 1500
/** Rows of the parent's mean that are mixed into a node's. */
const priorRows = 1

/**
 * Extremely randomised trees: at each node, of some random features with a random threshold each, the one that takes
 * most of the squared error, summed over models. A model not tried on a row counts there as at its mean.
 */
export function fitTrees(problem: Problem): Part {
  const growth = startGrowth(problem)
  const nodeStart = new Uint32Array(trees + 1)
  const leafStart = new Uint32Array(trees + 1)
  for (let tree = 0; tree < trees; tree++) {
    growTree(growth, seededRandom(problem.seed * 1009 + tree))
    nodeStart[tree + 1] = growth.feature.length
    leafStart[tree + 1] = growth.values.length / problem.models
  }
  const { feature, threshold, next, values } = growth
  return {
    facts: { trees },
    arrays: {
      feature: Uint16Array.from(feature),
      threshold: Float32Array.from(threshold),
      next: Uint16Array.from(next),
      values: Uint8Array.from(values),
      nodeStart,
      leafStart,
    },
  }
}

interface Growth {
  readonly problem: Problem
  /** dims × rows: a node reads one feature of many rows. */
  readonly columns: Float32Array
  /** Trust × (quality − the model's mean), rows × models. */
  readonly centred: Float32Array
  readonly fewest: number
  readonly tried: number
  readonly order: Uint32Array
  readonly feature: number[]
  readonly threshold: number[]
  readonly next: number[]
  readonly values: number[]
}

function startGrowth(problem: Problem): Growth {
  const { rows, dims, models, features, quality, weight, means } = problem
  const columns = new Float32Array(rows * dims)
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < dims; at++) columns[at * rows + row] = features[row * dims + at] as number
  }
  const centred = weight.map((trust, at) =>
    trust === 0 ? 0 : trust * ((quality[at] as number) - (means[at % models] as number)),
  )
  const fewest = Math.max(fewestRows, Math.ceil(rows / mostLeavesPerTree))
  const tried = Math.max(1, Math.round(dims * triedShare))
  const order = new Uint32Array(rows)
  return { problem, columns, centred, fewest, tried, order, feature: [], threshold: [], next: [], values: [] }
}

interface Open {
  readonly node: number
  readonly from: number
  readonly to: number
  /** What is known of its rows from above. */
  readonly prior: Float64Array
}

function growTree(growth: Growth, random: Random): void {
  const { problem, order, feature, threshold, next } = growth
  const { rows, means, models } = problem
  for (let row = 0; row < rows; row++) order[row] = row
  const base = feature.length
  const firstLeaf = growth.values.length / models
  const add = (): number => {
    feature.push(leafMark)
    threshold.push(0)
    next.push(0)
    return feature.length - 1 - base
  }
  const open: Open[] = [{ node: add(), from: 0, to: rows, prior: Float64Array.from(means) }]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const values = valuesOf(growth, node)
    const split = node.to - node.from < 2 * growth.fewest ? undefined : bestSplit(growth, node, random)
    if (split === undefined) {
      next[base + node.node] = growth.values.length / models - firstLeaf
      for (const value of values) growth.values.push(Math.round(Math.max(0, Math.min(1, value)) * qualityUnit))
      continue
    }
    const middle = partition(growth, node, split)
    const left = add()
    const right = add()
    feature[base + node.node] = split.feature
    threshold[base + node.node] = split.threshold
    next[base + node.node] = left
    open.push(
      { node: right, from: middle, to: node.to, prior: values },
      { node: left, from: node.from, to: middle, prior: values },
    )
  }
}

function valuesOf({ problem: { models, quality, weight }, order }: Growth, { from, to, prior }: Open): Float64Array {
  const sums = prior.map(value => value * priorRows)
  const weights = new Float64Array(models).fill(priorRows)
  for (let place = from; place < to; place++) {
    const row = (order[place] as number) * models
    for (let model = 0; model < models; model++) {
      const trust = weight[row + model] as number
      if (trust === 0) continue
      sums[model] = (sums[model] as number) + trust * (quality[row + model] as number)
      weights[model] = (weights[model] as number) + trust
    }
  }
  return sums.map((sum, model) => sum / (weights[model] as number))
}

interface Split {
  readonly feature: number
  readonly threshold: number
}

function bestSplit(growth: Growth, { from, to }: Open, random: Random): Split | undefined {
  const { problem, columns, centred, order, tried, fewest } = growth
  const { rows, dims, models } = problem
  const total = new Float64Array(models)
  for (let place = from; place < to; place++) {
    const row = (order[place] as number) * models
    for (let model = 0; model < models; model++)
      total[model] = (total[model] as number) + (centred[row + model] as number)
  }
  const left = new Float64Array(models)
  let best: Split | undefined
  let bestGain = 0
  // Features that do not vary here are passed over, so a few more may be drawn.
  for (let draw = 0, valid = 0; draw < tried * 3 && valid < tried; draw++) {
    const feature = random.below(dims)
    const column = feature * rows
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let place = from; place < to; place++) {
      const value = columns[column + (order[place] as number)] as number
      if (value < least) least = value
      if (value > most) most = value
    }
    if (!(most > least)) continue
    valid++
    // As it will be stored: prompts and rows then fall on the same sides.
    const threshold = Math.fround(least + random.uniform() * (most - least))
    left.fill(0)
    let leftRows = 0
    for (let place = from; place < to; place++) {
      const row = order[place] as number
      if ((columns[column + row] as number) >= threshold) continue
      leftRows++
      const base = row * models
      for (let model = 0; model < models; model++)
        left[model] = (left[model] as number) + (centred[base + model] as number)
    }
    const rightRows = to - from - leftRows
    if (leftRows < fewest || rightRows < fewest) continue
    let gain = 0
    for (let model = 0; model < models; model++) {
      const here = left[model] as number
      const all = total[model] as number
      gain += (here * here) / leftRows + (all - here) ** 2 / rightRows - (all * all) / (to - from)
    }
    if (gain > bestGain) {
      bestGain = gain
      best = { feature, threshold }
    }
  }
  return best
}

/** Rows below the threshold first. @returns where the others begin */
function partition({ problem: { rows }, columns, order }: Growth, { from, to }: Open, split: Split): number {
  const column = split.feature * rows
  let middle = from
  for (let place = from; place < to; place++) {
    const row = order[place] as number
    if ((columns[column + row] as number) >= split.threshold) continue
    order[place] = order[middle] as number
    order[middle++] = row
  }
  return middle
}
