import type { JsonObject } from '../../../learning/dataset/fields.ts'
import { isObject } from '../../../learning/dataset/fields.ts'
import { DatasetError } from '../../../learning/dataset/problems.ts'
import { Misuse } from '../misuse.ts'

/** Options of every command that speaks to a gateway that runs. */
export const adminOptions = {
  url: { type: 'string' },
  key: { type: 'string' },
  router: { type: 'string' },
} as const

export const adminUsage = `Gateway:
  --url <url>              of the gateway (env ROUTEIQ_URL, default http://localhost:4000)
  --key <key>              of an administrator (env ROUTEIQ_API_KEY, LITELLM_MASTER_KEY)
  --router <name>          under which artifacts are kept and rolled out (default: default)
`

export interface AdminValues {
  readonly url?: string | undefined
  readonly key?: string | undefined
  readonly router?: string | undefined
}

/** Milliseconds. */
const patience = 60_000

/** The admin API of learned routing, as a person at a terminal uses it. */
export class AdminClient {
  readonly router: string
  readonly #url: string
  readonly #key: string

  /** @throws Misuse without a key */
  constructor({ url, key, router }: AdminValues, env: NodeJS.ProcessEnv) {
    // An empty variable is none.
    const given = key || env['ROUTEIQ_API_KEY'] || env['LITELLM_MASTER_KEY']
    if (!given) throw new Misuse('give --key: that of an administrator, or set LITELLM_MASTER_KEY')
    this.#key = given
    this.#url = (url ?? env['ROUTEIQ_URL'] ?? 'http://localhost:4000').replace(/\/+$/, '').replace(/\/v1$/, '')
    this.router = router ?? 'default'
  }

  /** Of this router. */
  path(action = ''): string {
    return `/routers/${encodeURIComponent(this.router)}${action}`
  }

  /** @throws DatasetError with the gateway's reason */
  async json(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<JsonObject> {
    const parsed: unknown = await (await this.send(method, path, body)).json()
    return isObject(parsed) ? parsed : {}
  }

  /** @param path below `/v1/routeiq/router`. @throws DatasetError with the gateway's reason */
  async send(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<Response> {
    let response: Response
    try {
      response = await fetch(`${this.#url}/v1/routeiq/router${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(patience),
      })
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new DatasetError(`${this.#url} does not answer (${cause}): is the gateway running? --url says where`)
    }
    if (response.ok) return response
    throw new DatasetError(`${response.status} ${reasonOf(await response.text())}`)
  }
}

function reasonOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    const error = isObject(body) ? body['error'] : undefined
    if (isObject(error) && typeof error['message'] === 'string') return error['message']
  } catch {
    // Not an error of ours: its text has to do.
  }
  return text.slice(0, 300)
}
