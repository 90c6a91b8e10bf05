import { Agent, request } from 'undici'
import { parseDollars } from '../../src/platform/money.ts'

/** Everything at its size in the issue, where somebody waits for it; else smaller, so that a developer does. */
export const fullSize = Boolean(process.env['CI']) || Boolean(process.env['FULL'])

export interface Sent {
  readonly status: number
  /** `x-litellm-call-id`; empty when no head came. */
  readonly id: string
  /** The body came to the end that HTTP says. */
  readonly complete: boolean
  readonly body: string
  /** Nano-dollars, by the response's own header; 0 where there is none. */
  readonly cost: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface CallPlan {
  readonly url: string
  readonly key: string
  readonly body: string
  /** `x-litellm-call-id`, where the caller brings its own. */
  readonly id?: string | undefined
}

/** Calls made as cheaply as this process can, so that the gateways are what is busy. */
export class Caller {
  readonly #agent: Agent

  constructor(connections = 64) {
    this.#agent = new Agent({ connections, headersTimeout: 90_000, bodyTimeout: 90_000 })
  }

  /** Never rejects: status 0 says that no head came. */
  async call({ url, key, body, id }: CallPlan): Promise<Sent> {
    let sent: Sent = { status: 0, id: '', complete: false, body: '', cost: 0, headers: {} }
    try {
      const answer = await request(`${url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          ...(id === undefined ? {} : { 'x-litellm-call-id': id }),
        },
        body,
      })
      const { statusCode: status, headers } = answer
      const cost = headers['x-litellm-response-cost']
      sent = {
        ...sent,
        status,
        headers,
        id: String(headers['x-litellm-call-id'] ?? ''),
        cost: typeof cost === 'string' ? (parseDollars(cost) ?? 0) : 0,
      }
      return { ...sent, body: await answer.body.text(), complete: true }
    } catch (error) {
      return { ...sent, body: String(error) }
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

/** Calls `one` for 0 … count − 1, `width` at a time. */
export async function storm<T>(count: number, width: number, one: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) results.push(await one(next++))
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
  return results
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
