import { GatewayError } from '../errors/gateway-error.ts'
import type { EgressPurpose, Outbound, OutboundInit, OutboundResponse } from '../security/outbound.ts'
import { SecretUnavailable } from './backend.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What backends and token sources stand on. */
export interface SecretServices {
  readonly outbound: Outbound
  readonly env: Environment
  /** Wall-clock milliseconds. */
  readonly epoch: () => number
}

/** Milliseconds: secrets are read at start and while calls wait for a renewed one. */
const timeout = 5000

/** A request to a vault or a token service, with its failures told as such. */
export async function callFor(
  what: string,
  { outbound }: SecretServices,
  url: string,
  init: OutboundInit & { readonly purpose?: EgressPurpose } = {},
): Promise<OutboundResponse> {
  const { purpose = 'secrets', ...request } = init
  try {
    return await outbound.request(purpose, url, { timeout, ...request })
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw new SecretUnavailable(`${what}: ${error.message}`, { cause: error })
  }
}

/** A JSON answer, or what is wrong with it; never a word of the answer itself. */
export function jsonOf(what: string, response: OutboundResponse): Readonly<Record<string, unknown>> {
  let body: unknown
  try {
    body = response.json()
  } catch {
    throw new SecretUnavailable(`${what}: the answer is not JSON.`)
  }
  return fields(body)
}

export const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

export const textField = (value: unknown, name: string): string | undefined => {
  const found = fields(value)[name]
  return typeof found === 'string' && found !== '' ? found : undefined
}

export const numberField = (value: unknown, name: string): number | undefined => {
  const found = fields(value)[name]
  const number = typeof found === 'string' ? Number(found) : found
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/** A setting made in the environment, trimmed; empty is as good as none. */
export function setting(env: Environment, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = env[name]?.trim()
    if (value !== undefined && value !== '') return value
  }
  return undefined
}

export const flagOf = (env: Environment, name: string, byDefault: boolean): boolean => {
  const value = setting(env, name)?.toLowerCase()
  return value === undefined ? byDefault : value !== 'false' && value !== '0' && value !== 'no'
}
