import { createHmac } from 'node:crypto'
import type { Clock } from '../../../platform/clock.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import type { Secret } from '../../../platform/security/secret.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { type AuditSink, type Batch, type BatchLimits, requestTimeout, SinkRefused } from './sink.ts'

export interface WebhookSinkSettings {
  readonly name: string
  readonly url: string
  /** Key of the signature; undefined: unsigned. */
  readonly secret: Secret | undefined
  readonly headers: Readonly<Record<string, Secret>>
  readonly limits: BatchLimits
}

/**
 * POST of NDJSON. `x-routeiq-signature: t=<epoch seconds>,v1=<hex>` is the HMAC-SHA256 of `<t>.<body>`: a receiver
 * checks it, and refuses a time too far from its own. Any 2xx confirms; redirects are not followed.
 */
export class WebhookSink implements AuditSink {
  readonly name: string
  readonly description: string
  readonly limits: BatchLimits
  readonly #settings: WebhookSinkSettings
  readonly #outbound: Outbound
  readonly #clock: Clock

  constructor(settings: WebhookSinkSettings, outbound: Outbound, clock: Clock) {
    this.name = settings.name
    // Paths and queries of webhooks often carry a token.
    this.description = new URL(settings.url).origin
    this.limits = settings.limits
    this.#settings = settings
    this.#outbound = outbound
    this.#clock = clock
  }

  send({ first, last, ndjson }: Batch, signal: AbortSignal): Promise<void> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'x-routeiq-audit-first-seq': String(first),
      'x-routeiq-audit-last-seq': String(last),
      'idempotency-key': `${this.name}-${first}-${last}`,
    }
    return this.#post(ndjson, headers, signal)
  }

  sendCheckpoint(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const headers = {
      'content-type': 'application/json',
      'x-routeiq-audit-checkpoint': String(checkpoint.seq),
      'idempotency-key': `${this.name}-checkpoint-${checkpoint.seq}`,
    }
    return this.#post(JSON.stringify(checkpoint), headers, signal)
  }

  async close(): Promise<void> {}

  async #post(body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const { url, secret } = this.#settings
    const own = Object.entries(this.#settings.headers).map(([name, value]) => [name, value.reveal()])
    const answer = await this.#outbound.request('audit', url, {
      method: 'POST',
      headers: { ...Object.fromEntries(own), ...headers, ...(secret && this.#signature(body, secret)) },
      body,
      signal,
      timeout: requestTimeout,
      maxBytes: 65_536,
    })
    if (answer.status < 200 || answer.status > 299) throw new SinkRefused(`The webhook answered ${answer.status}.`)
  }

  #signature(body: string, secret: Secret): Record<string, string> {
    const time = Math.floor(this.#clock.epoch() / 1000)
    const mac = createHmac('sha256', secret.reveal()).update(`${time}.${body}`).digest('hex')
    return { 'x-routeiq-signature': `t=${time},v1=${mac}` }
  }
}
