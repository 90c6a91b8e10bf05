import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ModelFamily } from './model-family.ts'

/** What the translation needs to know of the deployment besides the request. */
export interface RequestOptions {
  readonly family: ModelFamily
  /** Leave out what the model does not know instead of refusing the call. */
  readonly dropParams: boolean
  /** Parameters that are sent although they are not known to work. */
  readonly allowedParams: readonly string[]
  /** Repair conversations that the vendor would refuse. */
  readonly modifyParams: boolean
  /** False when the model is known to have no system instruction. Default: true except for Gemma. */
  readonly systemMessages: boolean
  /** False when the model is known not to take a response schema: it goes into the instructions instead. */
  readonly responseSchema: boolean
  /** True or false when the price map knows; undefined leaves it to the model name. */
  readonly reasoning: boolean | undefined
  /** Effort words beyond low, medium and high that the model is known to take. */
  readonly efforts: readonly string[]
}

/** One rule for every parameter the model does not know: forced through, dropped, or refused. */
export class UnsupportedParams {
  readonly dropped: string[] = []
  readonly #options: RequestOptions

  constructor(options: RequestOptions) {
    this.#options = options
  }

  /**
   * @returns true when the caller's configuration forces the parameter through.
   * @throws GatewayError `unsupported_params`.
   */
  meets(param: string, why: string): boolean {
    if (this.#options.allowedParams.includes(param)) return true
    if (!this.#options.dropParams) {
      throw new GatewayError('unsupported_params', `${why} Remove it, or set drop_params: true to leave it out.`, {
        param,
      })
    }
    this.drop(param)
    return false
  }

  drop(param: string): void {
    if (!this.dropped.includes(param)) this.dropped.push(param)
  }
}
