import type { Predictor } from '../predictor.ts'
import { qualityUnit } from './knn.ts'
import { arrayOf, BrokenPart, count, floats, type Part } from './part.ts'

/** Of a node's `feature`: it is a leaf, and `next` is the place of its values. */
export const leafMark = 65_535

/**
 * Extremely randomised trees (Geurts, Ernst, Wehenkel 2006), all models in each leaf. They see what distances do not: a
 * single feature that matters, and features that matter together.
 */
export function createTrees(part: Part, models: number, dims: number): Predictor {
  const trees = count(part, 'trees', 10_000)
  const feature = arrayOf(part, 'feature', Uint16Array)
  const threshold = floats(part, 'threshold', feature.length)
  /** First of the two children, or place of the leaf's values; counted from the tree's start. */
  const next = arrayOf(part, 'next', Uint16Array, feature.length)
  const nodeStart = arrayOf(part, 'nodeStart', Uint32Array, trees + 1)
  const leafStart = arrayOf(part, 'leafStart', Uint32Array, trees + 1)
  const values = arrayOf(part, 'values', Uint8Array, (leafStart[trees] ?? 0) * models)
  if (trees === 0 || nodeStart[trees] !== feature.length) throw new BrokenPart('the trees do not add up')
  checkNodes()

  /** Children stand behind their parent, so that no walk is without end, and within their tree. */
  function checkNodes(): void {
    for (let tree = 0; tree < trees; tree++) {
      const start = nodeStart[tree] as number
      const nodes = (nodeStart[tree + 1] as number) - start
      const leaves = (leafStart[tree + 1] as number) - (leafStart[tree] as number)
      for (let node = 0; node < nodes; node++) {
        const to = next[start + node] as number
        const at = feature[start + node] as number
        const sound = at === leafMark ? to < leaves : at < dims && to > node && to + 1 < nodes
        if (!sound) throw new BrokenPart(`node ${node} of tree ${tree} leads nowhere`)
      }
    }
  }

  const sums = new Float64Array(models)
  const squares = new Float64Array(models)
  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    sums.fill(0)
    squares.fill(0)
    for (let tree = 0; tree < trees; tree++) {
      const start = nodeStart[tree] as number
      let node = start
      let at = feature[node] as number
      while (at !== leafMark) {
        node = start + (next[node] as number) + ((features[at] as number) < (threshold[node] as number) ? 0 : 1)
        at = feature[node] as number
      }
      const leaf = ((leafStart[tree] as number) + (next[node] as number)) * models
      for (let model = 0; model < models; model++) {
        const value = values[leaf + model] as number
        sums[model] = (sums[model] as number) + value
        squares[model] = (squares[model] as number) + value * value
      }
    }
    for (let model = 0; model < models; model++) {
      const mean = (sums[model] as number) / trees
      quality[model] = mean / qualityUnit
      // Trees share their rows: their spread says how uncertain one is; so many of them are about as good as ten.
      const spread = Math.max(0, (squares[model] as number) / trees - mean * mean)
      variance[model] = spread / (qualityUnit * qualityUnit) / independentTrees
    }
  }
  return { method: 'trees', predict }
}

const independentTrees = 10
