import { type DotProducts, fillRows, VectorSpace } from './dot-products.ts'
import { arrayOf, BrokenPart, count, floats, type Part } from './part.ts'

/**
 * The training rows nearest to a prompt by cosine. Up to some thousands of rows all are compared; beyond, rows stand in
 * cells (an inverted file) and only those of the nearest cells are.
 *
 * One search serves a whole decision: KNN's vote, how familiar the prompt is, and what the explanation shows.
 */
export interface Neighbours {
  /** Found rows; the first `size` are valid, in no order. */
  readonly rows: Uint32Array
  /** Cosine of each. */
  readonly similarity: Float32Array
  size: number
  /** Mean cosine of the 20 nearest. */
  closeness: number
  find(features: Float32Array): void
}

export const novelNeighbours = 20
/** Cells are read, nearest first, until this many rows for each neighbour wanted were compared. */
const rowsPerNeighbour = 12

/** @param words the first so many dimensions are the words' */
export function createNeighbours(part: Part, dims: number, words: number, space = new VectorSpace(dims)): Neighbours {
  const rowCount = count(part, 'rows', 10_000_000)
  const wanted = count(part, 'neighbours', 1000)
  const cells = count(part, 'cells', 65_536)
  const stored = arrayOf(part, 'vectors', Int8Array, rowCount * dims)
  const scale = floats(part, 'scale', rowCount)
  const starts = arrayOf(part, 'starts', Uint32Array, cells + 1)
  const centroids = floats(part, 'centroids', cells * dims)
  for (let cell = 0; cell < cells; cell++) {
    if ((starts[cell] as number) > (starts[cell + 1] as number)) throw new BrokenPart(`'starts' falls at cell ${cell}`)
  }
  if (starts[0] !== 0 || starts[cells] !== rowCount)
    throw new BrokenPart(`'starts' ends at ${starts[cells]} of ${rowCount} rows`)

  const dots = space.add(rowCount)
  unpack(stored, scale, rowCount, dims, dots)
  const rows = new Uint32Array(wanted)
  const similarity = new Float32Array(wanted)
  const sorted = new Float32Array(wanted)
  const nearness = space.add(cells)
  fillRows(nearness, centroids, cells, dims)
  const enough = wanted * rowsPerNeighbour
  const last = new Float32Array(dims)
  let searched = false

  /** Bounded heap: the least similar of those kept is at the root. */
  function offer(row: number, value: number): void {
    let at = 0
    if (result.size < wanted) {
      at = result.size++
      while (at > 0) {
        const parent = (at - 1) >> 1
        if ((similarity[parent] as number) <= value) break
        similarity[at] = similarity[parent] as number
        rows[at] = rows[parent] as number
        at = parent
      }
    } else {
      for (;;) {
        let child = 2 * at + 1
        if (child >= wanted) break
        if (child + 1 < wanted && (similarity[child + 1] as number) < (similarity[child] as number)) child++
        if ((similarity[child] as number) >= value) break
        similarity[at] = similarity[child] as number
        rows[at] = rows[child] as number
        at = child
      }
    }
    similarity[at] = value
    rows[at] = row
  }

  function compare(from: number, to: number): void {
    dots.run(from, to)
    const { products } = dots
    let row = from
    while (row < to && result.size < wanted) offer(row, products[row++] as number)
    let least = similarity[0] as number
    for (; row < to; row++) {
      const value = products[row] as number
      if (value <= least) continue
      offer(row, value)
      least = similarity[0] as number
    }
  }

  function compareNearestCells(): void {
    nearness.query.set(dots.query)
    nearness.run(0, cells)
    const cellScore = nearness.products
    let compared = 0
    for (let round = 0; round < cells && compared < enough; round++) {
      let nearest = 0
      for (let cell = 1; cell < cells; cell++) {
        if ((cellScore[cell] as number) > (cellScore[nearest] as number)) nearest = cell
      }
      cellScore[nearest] = Number.NEGATIVE_INFINITY
      const from = starts[nearest] as number
      const to = starts[nearest + 1] as number
      compare(from, to)
      compared += to - from
    }
  }

  function closenessOf(): number {
    const nearest = Math.min(novelNeighbours, result.size)
    if (nearest === 0) return 0
    const found = sorted.subarray(0, result.size)
    found.set(similarity.subarray(0, result.size))
    found.sort()
    let sum = 0
    for (let at = result.size - nearest; at < result.size; at++) sum += found[at] as number
    return sum / nearest
  }

  /** KNN's vote and the measure of familiarity ask for the same prompt one after the other. */
  function sameAsLast(features: Float32Array): boolean {
    let same = searched
    for (let at = 0; same && at < dims; at++) same = features[at] === last[at]
    searched = true
    if (!same) last.set(features)
    return same
  }

  const result: Neighbours = {
    rows,
    similarity,
    size: 0,
    closeness: 0,
    find(features) {
      if (sameAsLast(features)) return
      let squares = 0
      for (let at = 0; at < words; at++) squares += (features[at] as number) ** 2
      // Words of which none is known are of length 1 like all others, in a direction that no row has.
      if (squares === 0) squares = 1
      for (let at = words; at < dims; at++) squares += (features[at] as number) ** 2
      const unit = 1 / Math.sqrt(squares)
      const { query } = dots
      for (let at = 0; at < dims; at++) query[at] = (features[at] as number) * unit
      result.size = 0
      if (cells <= 1) compare(0, rowCount)
      else compareNearestCells()
      result.closeness = closenessOf()
    },
  }
  return result
}

/** Floats again: multiplying them is faster here than eight-bit numbers, and they are few. */
function unpack(stored: Int8Array, scale: Float32Array, rows: number, dims: number, into: DotProducts): void {
  const { vectors, stride } = into
  for (let row = 0; row < rows; row++) {
    const unit = scale[row] as number
    for (let at = 0; at < dims; at++) vectors[row * stride + at] = (stored[row * dims + at] as number) * unit
  }
}
