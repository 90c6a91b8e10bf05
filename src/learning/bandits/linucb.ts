/** What an arm says of one prompt. */
export interface LinearScore {
  readonly mean: number
  /** √(xᵀA⁻¹x): how little is known where x points. */
  readonly width: number
}

/**
 * LinUCB (Li et al. 2010): one ridge regression of the reward per model, kept as the inverse of A = I + Σxxᵀ and b = Σr·x,
 * so that a score is θᵀx + α√(xᵀA⁻¹x) with θ = A⁻¹b. An update is Sherman and Morrison's: O(d²).
 */
export class LinearArm {
  readonly dims: number
  readonly #inverse: Float64Array
  readonly #reward: Float64Array
  #events: number

  constructor(dims: number, inverse?: Float64Array, reward?: Float64Array, events = 0) {
    this.dims = dims
    this.#inverse = inverse ?? identity(dims)
    this.#reward = reward ?? new Float64Array(dims)
    this.#events = events
  }

  get events(): number {
    return this.#events
  }

  /** Expected reward, and how wide of it the truth may lie. */
  score(x: ArrayLike<number>): LinearScore {
    const { dims } = this
    let mean = 0
    let spread = 0
    for (let row = 0; row < dims; row++) {
      let product = 0
      const at = row * dims
      for (let column = 0; column < dims; column++) product += (this.#inverse[at + column] ?? 0) * (x[column] ?? 0)
      mean += product * (this.#reward[row] ?? 0)
      spread += product * (x[row] ?? 0)
    }
    return { mean, width: Math.sqrt(Math.max(0, spread)) }
  }

  /**
   * @param discount kept of the past, for models that change (0.999); what is forgotten falls back to the prior only as far
   *   as inverse and reward are scaled together: the mean stays, the width grows
   */
  update(x: ArrayLike<number>, reward: number, weight = 1, discount = 1): void {
    const { dims } = this
    if (discount < 1) {
      for (let at = 0; at < this.#inverse.length; at++) this.#inverse[at] = (this.#inverse[at] ?? 0) / discount
      for (let at = 0; at < dims; at++) this.#reward[at] = (this.#reward[at] ?? 0) * discount
    }
    const product = new Float64Array(dims)
    let denominator = 1
    for (let row = 0; row < dims; row++) {
      let sum = 0
      const at = row * dims
      for (let column = 0; column < dims; column++) sum += (this.#inverse[at + column] ?? 0) * (x[column] ?? 0)
      product[row] = sum
      denominator += weight * sum * (x[row] ?? 0)
    }
    const factor = weight / denominator
    for (let row = 0; row < dims; row++) {
      const at = row * dims
      const scaled = factor * (product[row] ?? 0)
      for (let column = 0; column < dims; column++) {
        this.#inverse[at + column] = (this.#inverse[at + column] ?? 0) - scaled * (product[column] ?? 0)
      }
    }
    for (let at = 0; at < dims; at++) this.#reward[at] = (this.#reward[at] ?? 0) + weight * reward * (x[at] ?? 0)
    this.#events++
  }

  /** An event was corrected: a thumb that turned. @param change of its weighted reward */
  correct(x: ArrayLike<number>, change: number): void {
    for (let at = 0; at < this.dims; at++) this.#reward[at] = (this.#reward[at] ?? 0) + change * (x[at] ?? 0)
  }

  /** float32, base64: inverse, then reward. 80 dimensions take 35 kB. */
  encode(): string {
    const values = new Float32Array(this.dims * this.dims + this.dims)
    values.set(this.#inverse)
    values.set(this.#reward, this.dims * this.dims)
    return Buffer.from(values.buffer).toString('base64')
  }

  /** @throws RangeError for what is no state of an arm */
  static decode(text: string, events: number): LinearArm {
    const bytes = Buffer.from(text, 'base64')
    const dims = Math.floor(Math.sqrt(bytes.length / 4))
    const size = dims * dims + dims
    if (bytes.length !== size * 4) throw new RangeError(`${bytes.length} bytes are no square matrix and its vector`)
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
    return new LinearArm(
      dims,
      Float64Array.from(values.subarray(0, dims * dims)),
      Float64Array.from(values.subarray(dims * dims)),
      events,
    )
  }
}

function identity(dims: number): Float64Array {
  const matrix = new Float64Array(dims * dims)
  for (let at = 0; at < dims; at++) matrix[at * dims + at] = 1
  return matrix
}

/** Features as decisions carry them: float32, base64. Undefined for what is none. */
export function decodeFeatures(text: string | undefined): Float32Array | undefined {
  if (text === undefined || text === '') return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0 || bytes.length > 16_384) return undefined
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}
