const valid = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/
const longest = 64

/**
 * Function names as Gemini takes them (a letter or underscore first, then letters, digits and `_ . : -`) and the way
 * back. Newer models take 128 characters, older ones 64; 64 works on all.
 */
export class ToolNames {
  #toWire: Map<string, string> | undefined
  #fromWire: Map<string, string> | undefined

  /** Same name in, same name out; two names never become one. */
  toWire(name: string): string {
    const known = this.#toWire?.get(name)
    if (known !== undefined) return known
    if (valid.test(name) && !this.#fromWire?.has(name)) return name
    this.#toWire ??= new Map()
    this.#fromWire ??= new Map()
    let base = name.replace(/[^A-Za-z0-9_.:-]/g, '_')
    if (!/^[A-Za-z_]/.test(base)) base = `_${base}`
    let wire = base.slice(0, longest)
    for (let count = 2; this.#fromWire.has(wire); count++) {
      const suffix = `_${count}`
      wire = base.slice(0, longest - suffix.length) + suffix
    }
    this.#toWire.set(name, wire)
    this.#fromWire.set(wire, name)
    return wire
  }

  /** Takes names that need no change first, so that a changed one cannot collide with them. */
  reserve(names: readonly string[]): void {
    const broken = names.some(name => !valid.test(name))
    if (!broken) return
    this.#toWire ??= new Map()
    this.#fromWire ??= new Map()
    for (const name of names) {
      if (!valid.test(name)) continue
      this.#toWire.set(name, name)
      this.#fromWire.set(name, name)
    }
  }

  fromWire(name: string): string {
    return this.#fromWire?.get(name) ?? name
  }
}
