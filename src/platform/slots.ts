/**
 * Members that come and go by the thousand, in places that are used again. A `Map` or `Set` would be built anew every few
 * dozen of them, and V8 chains each old table to its successor: one that has grown old keeps all later ones, and what
 * they held, until the whole heap is collected (3 KB per call, heap of 200 MB instead of 60).
 */
export class Slots<T> {
  readonly #members: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#members.length - this.#free.length
  }

  /** @returns its place, until it is removed */
  add(member: T): number {
    const place = this.#free.pop()
    if (place === undefined) return this.#members.push(member) - 1
    this.#members[place] = member
    return place
  }

  at(place: number): T | undefined {
    return this.#members[place]
  }

  remove(place: number): void {
    if (this.#members[place] === undefined) return
    this.#members[place] = undefined
    this.#free.push(place)
  }

  clear(): void {
    this.#members.length = 0
    this.#free.length = 0
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const member of this.#members) if (member !== undefined) yield member
  }
}

const none = -1

/**
 * The same by name: a hash table with linear probing, whose arrays are replaced only when they are too small. What is
 * deleted leaves no mark, the members behind it move up (Knuth, vol. 3, §6.4, algorithm R).
 */
export class NamedSlots<T> {
  readonly #slots = new Slots<T>()
  #names: (string | undefined)[] = new Array<string | undefined>(64).fill(undefined)
  #hashes = new Int32Array(64)
  #places = new Int32Array(64)

  get size(): number {
    return this.#slots.size
  }

  has(name: string): boolean {
    return this.#find(name) !== none
  }

  get(name: string): T | undefined {
    const index = this.#find(name)
    return index === none ? undefined : this.#slots.at(this.#places[index] as number)
  }

  /** The name must be new. */
  add(name: string, member: T): void {
    // Half full at most: a search meets an end soon.
    if (this.#slots.size * 2 >= this.#names.length) this.#grow()
    this.#put(name, hashOf(name), this.#slots.add(member))
  }

  delete(name: string): void {
    let hole = this.#find(name)
    if (hole === none) return
    this.#slots.remove(this.#places[hole] as number)
    const mask = this.#names.length - 1
    for (let index = (hole + 1) & mask; this.#names[index] !== undefined; index = (index + 1) & mask) {
      const home = (this.#hashes[index] as number) & mask
      // It may move up unless its home lies between the hole and where it is.
      if (((index - home) & mask) < ((index - hole) & mask)) continue
      this.#names[hole] = this.#names[index]
      this.#hashes[hole] = this.#hashes[index] as number
      this.#places[hole] = this.#places[index] as number
      hole = index
    }
    this.#names[hole] = undefined
  }

  values(): Iterable<T> {
    return this.#slots
  }

  #find(name: string): number {
    const names = this.#names
    const mask = names.length - 1
    for (let index = hashOf(name) & mask; ; index = (index + 1) & mask) {
      const other = names[index]
      if (other === name) return index
      if (other === undefined) return none
    }
  }

  #put(name: string, hash: number, place: number): void {
    const mask = this.#names.length - 1
    let index = hash & mask
    while (this.#names[index] !== undefined) index = (index + 1) & mask
    this.#names[index] = name
    this.#hashes[index] = hash
    this.#places[index] = place
  }

  #grow(): void {
    const [names, hashes, places] = [this.#names, this.#hashes, this.#places]
    const length = names.length * 2
    this.#names = new Array<string | undefined>(length).fill(undefined)
    this.#hashes = new Int32Array(length)
    this.#places = new Int32Array(length)
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      if (name !== undefined) this.#put(name, hashes[i] as number, places[i] as number)
    }
  }
}

/** FNV-1a; names are ours, short, and differ at their end. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash ^ (hash >>> 15)
}
