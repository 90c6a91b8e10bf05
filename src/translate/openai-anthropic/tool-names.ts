/** Anthropic's rule for tool names. */
const valid = /^[a-zA-Z0-9_-]{1,128}$/
const maxLength = 128

/**
 * Tool names of one call as the wire accepts them, and the way back. Valid names are claimed first, so a caller's
 * `get_weather` keeps its name even when `get.weather` comes before it in the list.
 */
export class ToolNames {
  readonly #wire = new Map<string, string>()
  readonly #original = new Map<string, string>()

  /** @param names all names of the request's tools, in order. */
  constructor(names: readonly string[]) {
    for (const name of names) if (valid.test(name)) this.#claim(name, name)
    for (const name of names) this.wire(name)
  }

  /** The name to send; the same for every mention of a tool in definitions, history and choice. */
  wire(name: string): string {
    return this.#wire.get(name) ?? this.#claim(name, this.#unused(valid.test(name) ? name : sanitise(name)))
  }

  /** The caller's name for a name in a reply. */
  original(name: string): string {
    return this.#original.get(name) ?? name
  }

  /** Takes a name for a tool of our own. */
  reserve(base: string): string {
    const name = this.#unused(base)
    this.#original.set(name, name)
    return name
  }

  /** `base`, or with the first free suffix `_2`, `_3`, … */
  #unused(base: string): string {
    let name = base
    for (let n = 2; this.#original.has(name); n++) {
      const suffix = `_${n}`
      name = base.slice(0, maxLength - suffix.length) + suffix
    }
    return name
  }

  #claim(name: string, wire: string): string {
    this.#wire.set(name, wire)
    this.#original.set(wire, name)
    return wire
  }
}

function sanitise(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, maxLength) || 'tool'
}
