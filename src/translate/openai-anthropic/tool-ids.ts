const invalid = /[^a-zA-Z0-9_-]/g

/**
 * Tool call ids of one request as Anthropic accepts them (`^[a-zA-Z0-9_-]+$`). A conversation that began on another
 * vendor carries ids such as `functions.weather:0`; call and result must stay paired after the rewrite.
 */
export class ToolIds {
  readonly #wire = new Map<string, string>()
  readonly #used = new Set<string>()

  wire(id: string): string {
    const known = this.#wire.get(id)
    if (known !== undefined) return known
    const base = id.replace(invalid, '_') || 'call'
    let wire = base
    for (let n = 2; this.#used.has(wire); n++) wire = `${base}_${n}`
    this.#wire.set(id, wire)
    this.#used.add(wire)
    return wire
  }
}
