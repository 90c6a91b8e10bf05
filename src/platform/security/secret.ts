import { inspect } from 'node:util'

const masked = '[redacted]'

/**
 * A credential. Printing, serialising or interpolating it yields `[redacted]`; only `reveal()` gives the text.
 * Redaction is by type: no log or error formatter has to know which fields are sensitive.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return masked
  }

  toJSON(): string {
    return masked
  }

  [inspect.custom](): string {
    return masked
  }
}
