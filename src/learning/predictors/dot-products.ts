import { dotKernel } from './dot-kernel.ts'
import { BrokenPart } from './part.ts'

/**
 * Dot products of one vector with many stored ones, by the SIMD instructions that JavaScript only has through WebAssembly:
 * 5,000 rows of 72 numbers take 25 µs instead of 125. What it gives out is to be asked for anew after another matrix was
 * added to its space: that may move the memory.
 */
export interface DotProducts {
  /** Numbers from one row to the next: `dims`, rounded up to what one instruction takes; what is between is 0. */
  readonly stride: number
  /** rows × stride, to be filled once. */
  readonly vectors: Float32Array
  /** stride long, to be filled before each run. */
  readonly query: Float32Array
  /** Per row; valid where the last runs were. */
  readonly products: Float32Array
  /** Fills `products` for the rows from `from` up to `to`. */
  run(from: number, to: number): void
}

type Kernel = (query: number, row: number, into: number, end: number) => void

const lanes = 4
const floatBytes = 4
const pageBytes = 65_536

/**
 * The matrices of one artifact, in one memory. V8 sets aside ten gigabytes of addresses for every memory, however small:
 * one for each matrix would be too many for a process that may only use so many.
 */
export class VectorSpace {
  readonly #stride: number
  readonly #memory = new WebAssembly.Memory({ initial: 1 })
  readonly #kernel: Kernel
  #bytes = 0

  constructor(dims: number) {
    this.#stride = Math.ceil(dims / lanes) * lanes
    const { exports } = new WebAssembly.Instance(dotKernel(this.#stride), { env: { memory: this.#memory } })
    this.#kernel = exports['dots'] as Kernel
  }

  /** @throws BrokenPart where the rows do not fit into the 4 GB of a memory, or into the machine's */
  add(rows: number): DotProducts {
    const stride = this.#stride
    const query = this.#reserve(stride)
    const products = this.#reserve(rows)
    const vectors = this.#reserve(rows * stride)
    return new Matrix(this.#memory, this.#kernel, { query, products, vectors, rows, stride })
  }

  /** @returns where so many floats have their place: byte of the memory, a multiple of 16 */
  #reserve(floats: number): number {
    const at = this.#bytes
    this.#bytes = at + Math.ceil((floats * floatBytes) / 16) * 16
    const missing = this.#bytes - this.#memory.buffer.byteLength
    if (missing > 0) {
      try {
        this.#memory.grow(Math.ceil(missing / pageBytes))
      } catch {
        throw new BrokenPart(`${floats} numbers do not fit into memory`)
      }
    }
    return at
  }
}

/** Fills the vectors from rows that lie without gaps. */
export function fillRows({ vectors, stride }: DotProducts, source: Float32Array, rows: number, dims: number): void {
  for (let row = 0; row < rows; row++) vectors.set(source.subarray(row * dims, (row + 1) * dims), row * stride)
}

interface Places {
  readonly query: number
  readonly products: number
  readonly vectors: number
  readonly rows: number
  readonly stride: number
}

class Matrix implements DotProducts {
  readonly stride: number
  readonly #memory: WebAssembly.Memory
  readonly #kernel: Kernel
  readonly #places: Places
  #buffer: ArrayBuffer | undefined
  #query = new Float32Array()
  #products = new Float32Array()

  constructor(memory: WebAssembly.Memory, kernel: Kernel, places: Places) {
    this.stride = places.stride
    this.#memory = memory
    this.#kernel = kernel
    this.#places = places
  }

  get vectors(): Float32Array {
    const { vectors, rows, stride } = this.#places
    return new Float32Array(this.#memory.buffer, vectors, rows * stride)
  }

  get query(): Float32Array {
    this.#look()
    return this.#query
  }

  get products(): Float32Array {
    this.#look()
    return this.#products
  }

  run(from: number, to: number): void {
    if (from >= to) return
    const { query, products, vectors, stride } = this.#places
    const rowBytes = stride * floatBytes
    this.#kernel(query, vectors + from * rowBytes, products + from * floatBytes, vectors + to * rowBytes)
  }

  /** A memory that grew has another buffer. */
  #look(): void {
    const { buffer } = this.#memory
    if (buffer === this.#buffer) return
    const { query, products, rows, stride } = this.#places
    this.#buffer = buffer
    this.#query = new Float32Array(buffer, query, stride)
    this.#products = new Float32Array(buffer, products, rows)
  }
}
