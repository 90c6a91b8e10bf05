/**
 * Writes a WebAssembly module of one function, for one length of vectors. Its text form:
 *
 *     (module
 *       (import "env" "memory" (memory 1))
 *       (func (export "dots") (param $query i32) (param $row i32) (param $into i32) (param $end i32)
 *         (local $a v128) (local $b v128)
 *         (loop $rows
 *           ;; $a and $b take turns, so that no addition waits for the one before it
 *           (local.set $a (f32x4.mul (v128.load offset=0 $query) (v128.load offset=0 $row)))
 *           (local.set $b (f32x4.mul (v128.load offset=16 $query) (v128.load offset=16 $row)))
 *           (local.set $a (f32x4.add $a (f32x4.mul (v128.load offset=32 $query) (v128.load offset=32 $row))))
 *           …
 *           (local.set $a (f32x4.add $a $b))
 *           (f32.store $into (the sum of the four lanes of $a))
 *           (local.set $row (i32.add $row stride * 4))
 *           (local.set $into (i32.add $into 4))
 *           (br_if $rows (i32.lt_u $row $end)))))
 *
 * https://webassembly.github.io/spec/core/binary/ has the numbers below.
 */
export function dotKernel(stride: number): WebAssembly.Module {
  const code = [
    ...[1, 2, type.v128],
    ...[op.loop, type.nothing],
    ...products(stride),
    ...[op.localGet, local.into, ...laneSum(local.a), op.f32Store, ...at(0, 2)],
    ...[op.localGet, local.row, op.i32Const, ...signed(stride * 4), op.i32Add, op.localSet, local.row],
    ...[op.localGet, local.into, op.i32Const, ...signed(4), op.i32Add, op.localSet, local.into],
    ...[op.localGet, local.row, op.localGet, local.end, op.i32LtU, op.brIf, 0],
    ...[op.end, op.end],
  ]
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, type.function, 4, type.i32, type.i32, type.i32, type.i32, 0]),
    ...section(2, [1, ...name('env'), ...name('memory'), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name('dots'), 0, 0]),
    ...section(10, [1, ...sized(code)]),
  ]
  return new WebAssembly.Module(Uint8Array.from(bytes))
}

const type = { i32: 0x7f, v128: 0x7b, function: 0x60, nothing: 0x40 }
const local = { query: 0, row: 1, into: 2, end: 3, a: 4, b: 5 }
const simd = 0xfd
const op = {
  loop: 0x03,
  end: 0x0b,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  f32Store: 0x38,
  i32Const: 0x41,
  i32LtU: 0x49,
  i32Add: 0x6a,
  f32Add: 0x92,
  v128Load: [simd, 0x00],
  extractLane: [simd, 0x1f],
  f32x4Add: [simd, 0xe4, 0x01],
  f32x4Mul: [simd, 0xe6, 0x01],
}

/** Products of all lanes, summed over the row into `a`. */
function products(stride: number): number[] {
  const vectors = stride / 4
  const code: number[] = []
  for (let vector = 0; vector < vectors; vector++) {
    const sum = vector % 2 === 0 ? local.a : local.b
    if (vector >= 2) code.push(op.localGet, sum)
    code.push(...load(local.query, vector), ...load(local.row, vector), ...op.f32x4Mul)
    if (vector >= 2) code.push(...op.f32x4Add)
    code.push(op.localSet, sum)
  }
  if (vectors >= 2) code.push(op.localGet, local.a, op.localGet, local.b, ...op.f32x4Add, op.localSet, local.a)
  return code
}

const load = (from: number, vector: number): number[] => [op.localGet, from, ...op.v128Load, ...at(16 * vector, 4)]

function laneSum(of: number): number[] {
  const lane = (number: number): number[] => [op.localGet, of, ...op.extractLane, number]
  return [...lane(0), ...lane(1), op.f32Add, ...lane(2), ...lane(3), op.f32Add, op.f32Add]
}

/** Where a load or store goes: how it may be aligned (log2), and its offset. */
const at = (offset: number, alignment: number): number[] => [alignment, ...unsigned(offset)]

const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)]
const sized = (content: readonly number[]): number[] => [...unsigned(content.length), ...content]
const name = (text: string): number[] => sized([...Buffer.from(text)])

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let left = value
  do {
    const low = left & 0x7f
    left >>>= 7
    bytes.push(left === 0 ? low : low | 0x80)
  } while (left !== 0)
  return bytes
}

/** LEB128 of a number that is not negative, with room for the sign. */
function signed(value: number): number[] {
  const bytes = unsigned(value)
  const last = bytes.at(-1) ?? 0
  if ((last & 0x40) === 0) return bytes
  return [...bytes.slice(0, -1), last | 0x80, 0]
}
