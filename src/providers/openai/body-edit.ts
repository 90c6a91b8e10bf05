import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { spliceTopLevel } from '../../translate/json-splice.ts'
import { dropAt, parseDropPath } from '../../translate/openai/drop-path.ts'

type Json = Record<string, unknown>

/** Marks a removed member among the changes. */
const removed = Symbol('removed')

/**
 * The changes one call makes to a request body. The same rules serve a relayed body (rendered by splicing the
 * caller's text) and a translated one (rendered by serialising); the request object itself is never changed.
 */
export class BodyEdit {
  readonly dropped: string[] = []
  readonly #json: Json
  readonly #changes = new Map<string, unknown>()
  #rejected: string[] | undefined

  constructor(json: Json) {
    this.#json = json
  }

  /** The member as it will be sent; undefined when it will not be. */
  get(key: string): unknown {
    if (this.#changes.has(key)) {
      const value = this.#changes.get(key)
      return value === removed ? undefined : value
    }
    return Object.hasOwn(this.#json, key) ? this.#json[key] : undefined
  }

  has(key: string): boolean {
    return this.#changes.has(key) ? this.#changes.get(key) !== removed : Object.hasOwn(this.#json, key)
  }

  /** Names of all members that will be sent. */
  keys(): string[] {
    const names = Object.keys(this.#json).filter(key => this.has(key))
    for (const [key, value] of this.#changes) if (value !== removed && !Object.hasOwn(this.#json, key)) names.push(key)
    return names
  }

  set(key: string, value: unknown): void {
    this.#changes.set(key, value)
  }

  remove(key: string): void {
    this.#changes.set(key, removed)
  }

  /** Takes a member out because the model does not know it, and says so. */
  drop(key: string): void {
    if (!this.has(key)) return
    this.remove(key)
    this.dropped.push(key)
  }

  rename(from: string, to: string): void {
    if (!this.has(from)) return
    if (!this.has(to)) this.set(to, this.get(from))
    this.remove(from)
  }

  /** Removes what an `additional_drop_params` entry names. */
  dropPath(path: string): void {
    const { field, steps } = parseDropPath(path)
    if (steps.length === 0) {
      this.drop(field)
      return
    }
    const value = this.get(field)
    const next = dropAt(value, steps)
    if (next === value) return
    this.set(field, next)
    this.dropped.push(path)
  }

  /** The model does not take this member: dropped where that is allowed, else named in one error at the end. */
  unsupported(key: string, may: { readonly drop: boolean; readonly allowed: readonly string[] }): void {
    if (may.allowed.includes(key)) return
    if (may.drop) this.drop(key)
    else {
      this.#rejected ??= []
      if (!this.#rejected.includes(key)) this.#rejected.push(key)
    }
  }

  /** @throws GatewayError `unsupported_params` when a member was rejected. */
  check(vendor: string, model: string): void {
    if (this.#rejected === undefined) return
    const names = this.#rejected.join(', ')
    throw new GatewayError(
      'unsupported_params',
      `${vendor} model ${model} does not support: ${names}. Leave them out, set drop_params: true to have them dropped, ` +
        'or list them in allowed_openai_params to send them anyway',
      { param: this.#rejected[0] },
    )
  }

  /** The caller's text with the changes applied; all other bytes as they were. */
  spliced(text: string): string {
    if (this.#changes.size === 0) return text
    const set: Record<string, string> = {}
    const remove: string[] = []
    for (const [key, value] of this.#changes) {
      if (value === removed) {
        if (Object.hasOwn(this.#json, key)) remove.push(key)
      } else {
        set[key] = JSON.stringify(value)
      }
    }
    return spliceTopLevel(text, set, remove)
  }

  /** The whole body, serialised. */
  serialised(): string {
    const body: Json = { ...this.#json }
    for (const [key, value] of this.#changes) {
      if (value === removed) delete body[key]
      else body[key] = value
    }
    return JSON.stringify(body)
  }
}
