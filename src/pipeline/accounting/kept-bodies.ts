import type { IncomingHttpHeaders } from 'node:http'
import type { BodyOptions } from '../../governance/ledger/bodies/bodies.ts'
import { defaultBodyOptions } from '../../governance/ledger/bodies/bodies.ts'
import { parseDuration } from '../../governance/limits/durations.ts'
import type { Environment } from '../../platform/config/prepare.ts'
import type { GatewayConfig } from '../../platform/config/schema.ts'
import { assembledAnswer } from './assembled-answer.ts'

/** Bytes kept of an answer until it is cleaned. */
const maxAnswer = 1_048_576

/** How bodies are kept; undefined: they are not. @param env for LiteLLM's MAX_STRING_LENGTH_PROMPT_IN_DB */
export function keptBodies(
  { general_settings: general, routeiq }: GatewayConfig,
  env: Environment,
): BodyOptions | undefined {
  if (!general.store_prompts_in_spend_logs) return undefined
  const { bodies_retention, max_body_text } = routeiq.ledger
  const ofRecords = millisecondsOf(general.maximum_spend_logs_retention_period) ?? Number.POSITIVE_INFINITY
  const asked = Number(env['MAX_STRING_LENGTH_PROMPT_IN_DB'] ?? '')
  return {
    ...defaultBodyOptions,
    maxText: Number.isSafeInteger(asked) && asked > 0 ? asked : max_body_text,
    keepFor: Math.min(millisecondsOf(bodies_retention) ?? defaultBodyOptions.keepFor, ofRecords),
  }
}

const dayMs = 86_400_000

function millisecondsOf(text: string | undefined): number | undefined {
  const duration = parseDuration(text)
  if (duration === undefined) return undefined
  return duration.length * (duration.unit === 'ms' ? 1 : dayMs * (duration.unit === 'months' ? 30 : 1))
}

/** LiteLLM's ways of a caller to keep a call out of the logs; who may use them is decided before (`body-rules.ts`). */
export const keptOut = (body: Readonly<Record<string, unknown>>, headers: IncomingHttpHeaders): boolean =>
  body['no-log'] === true ||
  body['turn_off_message_logging'] === true ||
  headers['x-litellm-enable-message-redaction'] === 'true'

/** What a call was answered with, while it goes out. */
export class KeptAnswer {
  readonly options: BodyOptions
  readonly #pieces: Buffer[] = []
  #bytes = 0

  constructor(options: BodyOptions) {
    this.options = options
  }

  add(piece: Buffer | string): void {
    if (this.#bytes >= maxAnswer) return
    // A piece of a relayed stream is the socket's memory, which is used again.
    const bytes = Buffer.from(piece as string)
    this.#pieces.push(bytes.length > maxAnswer - this.#bytes ? bytes.subarray(0, maxAnswer - this.#bytes) : bytes)
    this.#bytes += bytes.length
  }

  /** As JSON; undefined: there was none. */
  read(stream: boolean): unknown {
    if (this.#bytes === 0) return undefined
    const all = Buffer.concat(this.#pieces)
    if (stream) return assembledAnswer(all)
    if (this.#bytes > maxAnswer)
      return { litellm_truncated: true, start: all.toString('utf8', 0, this.options.maxText) }
    const text = all.toString('utf8')
    try {
      return JSON.parse(text)
    } catch {
      return text
    }
  }
}
