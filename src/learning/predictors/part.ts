/** What is stored of a trained method: named numbers and arrays. Data, never code. */
export interface Part {
  readonly facts: Readonly<Record<string, number>>
  readonly arrays: Readonly<Record<string, TypedArray>>
}

export type TypedArray = Int8Array | Uint8Array | Uint16Array | Uint32Array | Float32Array

/** A part that cannot be what it says: the artifact it came from is refused. */
export class BrokenPart extends Error {}

export function fact(part: Part, name: string): number {
  const value = part.facts[name]
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new BrokenPart(`the number '${name}' is missing`)
  return value
}

/** A whole number from 0 to `most`. */
export function count(part: Part, name: string, most: number): number {
  const value = fact(part, name)
  if (!Number.isInteger(value) || value < 0 || value > most) throw new BrokenPart(`'${name}' is ${value}`)
  return value
}

/** @param length undefined: any */
export function floats(part: Part, name: string, length?: number): Float32Array {
  return arrayOf(part, name, Float32Array, length)
}

export function arrayOf<T extends TypedArray>(
  part: Part,
  name: string,
  type: abstract new (...input: never[]) => T,
  length?: number,
): T {
  const array = part.arrays[name]
  if (!(array instanceof type)) throw new BrokenPart(`the array '${name}' is missing`)
  if (length !== undefined && array.length !== length) {
    throw new BrokenPart(`the array '${name}' has ${array.length} entries where ${length} were expected`)
  }
  return array
}
