import type { Predictor } from '../predictor.ts'
import { BrokenPart, count, floats, type Part } from './part.ts'

/** Small networks of one hidden layer (tanh), all models at the output; the mean of those trained from several starts. */
export function createMlp(part: Part, models: number, dims: number): Predictor {
  const networks = count(part, 'networks', 64)
  const width = count(part, 'width', 4096)
  if (networks === 0 || width === 0) throw new BrokenPart('there are no networks')
  const inner = floats(part, 'inner', networks * width * (dims + 1))
  const outer = floats(part, 'outer', networks * models * (width + 1))
  const residual = floats(part, 'residual', models)
  const hidden = new Float64Array(width)
  const sums = new Float64Array(models)
  const squares = new Float64Array(models)

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    sums.fill(0)
    squares.fill(0)
    for (let network = 0; network < networks; network++) {
      for (let unit = 0; unit < width; unit++) {
        const row = (network * width + unit) * (dims + 1)
        let sum = inner[row + dims] as number
        for (let at = 0; at < dims; at++) sum += (inner[row + at] as number) * (features[at] as number)
        hidden[unit] = Math.tanh(sum)
      }
      for (let model = 0; model < models; model++) {
        const row = (network * models + model) * (width + 1)
        let sum = outer[row + width] as number
        for (let unit = 0; unit < width; unit++) sum += (outer[row + unit] as number) * (hidden[unit] as number)
        sums[model] = (sums[model] as number) + sum
        squares[model] = (squares[model] as number) + sum * sum
      }
    }
    for (let model = 0; model < models; model++) {
      const mean = (sums[model] as number) / networks
      quality[model] = mean
      const spread = Math.max(0, (squares[model] as number) / networks - mean * mean)
      variance[model] = (residual[model] as number) + spread
    }
  }
  return { method: 'mlp', predict }
}
