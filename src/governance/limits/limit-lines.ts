import type { LimitHeaders } from './header-names.ts'

/**
 * The lines of a response head that tell of one limit, but for the two numbers that differ by call. Joined once: a call
 * has a dozen limits with three to six lines each, and joining them anew was most of what a head cost.
 */
export class LimitLines {
  readonly #untilRest: string
  readonly #untilReset: string | undefined
  /** The same for the names without a scope. */
  readonly #untilPlainRest: string | undefined
  readonly #untilPlainReset: string
  readonly #untilModelRest: string | undefined

  /** @param limit in decimal digits */
  constructor({ limit: name, remaining, reset, plain, ofModel }: LimitHeaders, limit: string) {
    const told = name === undefined ? '' : `${name}: ${limit}\r\n`
    this.#untilRest = `${told}${remaining}: `
    this.#untilReset = reset === undefined ? undefined : `\r\n${reset}: `
    this.#untilPlainRest = plain === undefined ? undefined : `\r\n${plain.limit}: ${limit}\r\n${plain.remaining}: `
    this.#untilPlainReset = plain === undefined ? '' : `\r\n${plain.reset}: `
    this.#untilModelRest = ofModel === undefined ? undefined : `\r\n${ofModel}: `
  }

  /**
   * @param rest what is left
   * @param reset when it starts anew; undefined: never
   */
  with(rest: string, reset: string | undefined): string {
    let lines = this.#untilRest + rest
    if (reset !== undefined && this.#untilReset !== undefined) lines += this.#untilReset + reset
    if (this.#untilPlainRest !== undefined) {
      lines += this.#untilPlainRest + rest
      if (reset !== undefined) lines += this.#untilPlainReset + reset
    }
    if (this.#untilModelRest !== undefined) lines += this.#untilModelRest + rest
    return `${lines}\r\n`
  }
}
