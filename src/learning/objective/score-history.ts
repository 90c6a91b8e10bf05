import type { Scores } from './scores.ts'

/**
 * What was expected of the candidates of recent calls, so that a target can be solved without making any: a ring of
 * rows, one column per model. Columns are given out as models appear; beyond `models` of them, further ones are left out.
 */
export class ScoreHistory {
  readonly #rows: number
  readonly #columns: number
  readonly #quality: Float32Array
  readonly #cost: Float64Array
  readonly #latency: Float32Array
  readonly #names: string[] = []
  readonly #places = new Map<string, number>()
  #next = 0
  #filled = 0
  #added = 0

  constructor(rows = 512, models = 16) {
    this.#rows = rows
    this.#columns = models
    this.#quality = new Float32Array(rows * models)
    this.#cost = new Float64Array(rows * models)
    this.#latency = new Float32Array(rows * models)
  }

  get size(): number {
    return this.#filled
  }

  /** Rows ever added. */
  get added(): number {
    return this.#added
  }

  /** Keeps what was not removed by a constraint (dominated ones included: another λ may want none of them either). */
  add(scores: Scores): void {
    const from = this.#next * this.#columns
    this.#quality.fill(Number.NaN, from, from + this.#columns)
    for (let i = 0; i < scores.count; i++) {
      if (scores.removed[i] !== 0) continue
      const column = this.#columnOf(scores.names[i] as string)
      if (column < 0) continue
      this.#quality[from + column] = scores.quality[i] as number
      this.#cost[from + column] = scores.cost[i] as number
      this.#latency[from + column] = scores.latency[i] as number
    }
    this.#next = (this.#next + 1) % this.#rows
    this.#filled = Math.min(this.#filled + 1, this.#rows)
    this.#added++
  }

  /** Puts a row back as candidates, without bonus and nothing removed. */
  read(row: number, into: Scores): void {
    into.clear()
    const from = row * this.#columns
    for (let column = 0; column < this.#names.length; column++) {
      const quality = this.#quality[from + column] as number
      if (Number.isNaN(quality)) continue
      const at = into.add(this.#names[column] as string)
      into.quality[at] = quality
      into.cost[at] = this.#cost[from + column] as number
      into.latency[at] = this.#latency[from + column] as number
    }
  }

  #columnOf(name: string): number {
    const known = this.#places.get(name)
    if (known !== undefined) return known
    if (this.#names.length >= this.#columns) return -1
    const column = this.#names.length
    this.#names.push(name)
    this.#places.set(name, column)
    return column
  }
}
