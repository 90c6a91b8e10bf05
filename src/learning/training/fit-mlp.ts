import type { Part } from '../predictors/part.ts'
import { type Random, seededRandom, shuffled } from './numerics/random.ts'
import type { Problem } from './training-rows.ts'

const networks = 2
const width = 24
const passes = 15
const batch = 32
const rate = 0.004
const decay = 3e-4
/** Adam's (Kingma, Ba 2015). */
const momentum = 0.9
const scaling = 0.999

/** Squared error by Adam, the rate falling to nothing; weights of models not tried on a row get no gradient from it. */
export function fitMlp(problem: Problem): Part {
  const { dims, models } = problem
  const inner = new Float32Array(networks * width * (dims + 1))
  const outer = new Float32Array(networks * models * (width + 1))
  let squares: Float64Array = new Float64Array(models)
  for (let index = 0; index < networks; index++) {
    const network = learn(problem, seededRandom(problem.seed * 101 + index))
    inner.set(network.inner, index * network.inner.length)
    outer.set(network.outer, index * network.outer.length)
    squares = network.squares
  }
  const residual = Float32Array.from(squares, (sum, model) => {
    const known = problem.labels[model] as number
    return known === 0 ? 0.25 : (sum / known) * Math.min(1, width / known)
  })
  return { facts: { networks, width }, arrays: { inner, outer, residual } }
}

interface Network {
  readonly inner: Float64Array
  readonly outer: Float64Array
  /** Squared errors of the last pass, per model. */
  readonly squares: Float64Array
}

function learn({ rows, dims, models, features, quality, weight, means }: Problem, random: Random): Network {
  const inputs = dims + 1
  const units = width + 1
  const inner = Float64Array.from({ length: width * inputs }, () => random.gaussian() / Math.sqrt(dims))
  const outer = new Float64Array(models * units)
  for (let model = 0; model < models; model++) outer[model * units + width] = means[model] as number
  const innerStep = adam(inner.length)
  const outerStep = adam(outer.length)
  const innerSlope = new Float64Array(inner.length)
  const outerSlope = new Float64Array(outer.length)
  const hidden = new Float64Array(width)
  const back = new Float64Array(width)
  const squares = new Float64Array(models)
  const steps = passes * Math.ceil(rows / batch)
  let step = 0
  for (let pass = 0; pass < passes; pass++) {
    squares.fill(0)
    const order = shuffled(rows, random)
    for (let from = 0; from < rows; from += batch) {
      const to = Math.min(rows, from + batch)
      for (let place = from; place < to; place++) backPropagate(order[place] as number)
      const now = rate * (1 - step / steps)
      step++
      innerStep(inner, innerSlope, now, to - from, step)
      outerStep(outer, outerSlope, now, to - from, step)
    }
  }
  return { inner, outer, squares }

  function backPropagate(row: number): void {
    const base = row * dims
    for (let unit = 0; unit < width; unit++) {
      const start = unit * inputs
      let sum = inner[start + dims] as number
      for (let at = 0; at < dims; at++) sum += (inner[start + at] as number) * (features[base + at] as number)
      hidden[unit] = Math.tanh(sum)
    }
    back.fill(0)
    for (let model = 0; model < models; model++) {
      const trust = weight[row * models + model] as number
      if (trust === 0) continue
      const start = model * units
      let sum = outer[start + width] as number
      for (let unit = 0; unit < width; unit++) sum += (outer[start + unit] as number) * (hidden[unit] as number)
      const gap = trust * (sum - (quality[row * models + model] as number))
      squares[model] = (squares[model] as number) + gap * gap
      for (let unit = 0; unit < width; unit++) {
        outerSlope[start + unit] = (outerSlope[start + unit] as number) + gap * (hidden[unit] as number)
        back[unit] = (back[unit] as number) + gap * (outer[start + unit] as number)
      }
      outerSlope[start + width] = (outerSlope[start + width] as number) + gap
    }
    for (let unit = 0; unit < width; unit++) {
      const slope = (back[unit] as number) * (1 - (hidden[unit] as number) ** 2)
      if (slope === 0) continue
      const start = unit * inputs
      for (let at = 0; at < dims; at++) {
        innerSlope[start + at] = (innerSlope[start + at] as number) + slope * (features[base + at] as number)
      }
      innerSlope[start + dims] = (innerSlope[start + dims] as number) + slope
    }
  }
}

type Step = (weights: Float64Array, slope: Float64Array, rate: number, count: number, step: number) => void

/** Applies the slope and clears it. */
function adam(length: number): Step {
  const first = new Float64Array(length)
  const second = new Float64Array(length)
  return (weights, slope, now, count, step) => {
    const firstScale = 1 / (1 - momentum ** step)
    const secondScale = 1 / (1 - scaling ** step)
    for (let at = 0; at < length; at++) {
      const value = (slope[at] as number) / count + decay * (weights[at] as number)
      slope[at] = 0
      first[at] = momentum * (first[at] as number) + (1 - momentum) * value
      second[at] = scaling * (second[at] as number) + (1 - scaling) * value * value
      const move = ((first[at] as number) * firstScale) / (Math.sqrt((second[at] as number) * secondScale) + 1e-8)
      weights[at] = (weights[at] as number) - now * move
    }
  }
}
