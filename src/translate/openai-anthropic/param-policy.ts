import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { dropAt, parseDropPath } from '../openai/drop-path.ts'
import type { ChatRequest } from '../openai/types.ts'

export interface ParamRules {
  /** Leave out what the model does not know instead of refusing the call. */
  readonly dropParams: boolean
  /** Request fields to take out before anything else: `seed`, `tools[*].function.strict`. */
  readonly additionalDropParams: readonly string[]
  /** OpenAI fields that are sent although the wire does not know them. */
  readonly allowedOpenaiParams: readonly string[]
}

/** What happens to a field the vendor does not know, and the record of it. */
export class ParamPolicy {
  readonly dropped: string[] = []
  readonly #rules: ParamRules
  readonly #vendor: string

  constructor(rules: ParamRules, vendor: string) {
    this.#rules = rules
    this.#vendor = vendor
  }

  /** True when the configuration forces this field through. */
  allowed(field: string): boolean {
    return this.#rules.allowedOpenaiParams.includes(field)
  }

  /** Leaves the field out under `drop_params`. @throws GatewayError otherwise. */
  refuse(field: string, why = 'is not supported'): void {
    if (!this.#rules.dropParams) {
      throw new GatewayError(
        'unsupported_params',
        `${field} ${why} by ${this.#vendor}. Remove it, or set drop_params to leave such fields out.`,
        { param: field },
      )
    }
    this.note(field)
  }

  /** Records a field that was left out without asking, because it cannot change the answer. */
  note(field: string): void {
    if (!this.dropped.includes(field)) this.dropped.push(field)
  }

  /** Whether `drop_params` is on, for repairs that lose a value but not a whole field. */
  get drops(): boolean {
    return this.#rules.dropParams
  }

  /** The request without the configured fields; objects along the way are copied, the rest is shared. */
  strip(request: ChatRequest): ChatRequest {
    let stripped: Record<string, unknown> = request
    for (const text of this.#rules.additionalDropParams) {
      const path = parseDropPath(text)
      const next = dropAt(stripped, [path.field, ...path.steps]) as Record<string, unknown>
      if (next !== stripped) this.note(text)
      stripped = next
    }
    return stripped as ChatRequest
  }
}
