import type { SpendRecord } from '../spend-record.ts'
import { encodeBody } from './body-line.ts'
import { type CleanOptions, cleanBody } from './clean-body.ts'

export interface BodyOptions extends CleanOptions {
  /** Milliseconds after the call at which its bodies are removed. */
  readonly keepFor: number
}

export const defaultBodyOptions: BodyOptions = {
  maxText: 1000,
  maxBody: 262_144,
  keepFor: 30 * 86_400_000,
}

interface Waiting {
  readonly record: Pick<SpendRecord, 'id' | 'startedAt'>
  readonly request: unknown
  readonly response: unknown | (() => unknown)
  readonly options: BodyOptions
}

/** Calls whose bodies wait to be cleaned; further ones go without. */
const maxWaiting = 256

/**
 * Request and response bodies, kept only where `store_prompts_in_spend_logs` asks for it. They are cleaned after the
 * response has gone out, one call per turn of the event loop, and travel in the journal behind the records. They may be
 * lost where a record may not: when the process dies in between, and when they come faster than they can be cleaned.
 */
export class Bodies {
  readonly #append: (json: string) => void
  readonly #waiting: Waiting[] = []
  #scheduled = false
  #dropped = 0

  constructor(append: (json: string) => void) {
    this.#append = append
  }

  get dropped(): number {
    return this.#dropped
  }

  /** @param response or what makes it, called when it is cleaned */
  keep(
    record: Pick<SpendRecord, 'id' | 'startedAt'>,
    request: unknown,
    response: unknown | (() => unknown),
    options: BodyOptions = defaultBodyOptions,
  ): void {
    if (this.#waiting.length >= maxWaiting) {
      this.#dropped++
      return
    }
    this.#waiting.push({ record, request, response, options })
    this.#schedule()
  }

  /** Cleans and appends what still waits; for the end of the process. */
  flush(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#write(next)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      const next = this.#waiting.shift()
      if (next !== undefined) this.#write(next)
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #write({ record, request, response: given, options }: Waiting): void {
    const response: unknown = typeof given === 'function' ? given() : given
    this.#append(
      encodeBody({
        id: record.id,
        started_at: record.startedAt,
        request: request === undefined ? null : cleanBody(request, options),
        response: response === undefined ? null : cleanBody(response, options),
        expires_at: record.startedAt + options.keepFor,
      }),
    )
  }
}
