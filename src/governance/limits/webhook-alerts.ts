import type { Outbound } from '../../platform/security/outbound.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { AlertEvent, Alerts } from './alerts.ts'

/** Events waiting to be sent; further ones are dropped and logged. */
const maxQueued = 1000
const attempts = 3
const timeout = 10_000

export interface WebhookAlertsOptions {
  readonly outbound: Outbound
  readonly url: string
  /** What is sent of an event. Default: LiteLLM's event as JSON. */
  readonly body?: (event: AlertEvent) => object
  readonly log: Logger
  /** Milliseconds before the second attempt; doubled for the third. Default 1000. */
  readonly retryAfter?: number
}

const whole = (event: AlertEvent): object => event

/** An incoming webhook of Slack, and of those that speak its form (Mattermost, Discord's `/slack`). */
export function slackMessage(event: AlertEvent): object {
  const of = [
    ['key', event.key_alias ?? event.token?.slice(0, 16)],
    ['user', event.user_email ?? event.user_id],
    ['team', event.team_alias ?? event.team_id],
    ['organization', event.organization_id],
    ['customer', event.customer_id],
  ].flatMap(([kind, name]) => (name == null ? [] : [`${kind} \`${escaped(name)}\``]))
  return { text: `*${event.event}*: ${escaped(event.event_message)}${of.length === 0 ? '' : `\n${of.join(', ')}`}` }
}

/** Names come from callers: none may mention a channel or make a link. https://docs.slack.dev/messaging/formatting-message-text */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('`', "'")

/** Sends each event as JSON by POST, one after the other, three attempts each. */
export class WebhookAlerts implements Alerts {
  readonly #options: WebhookAlertsOptions
  readonly #queue: AlertEvent[] = []
  #sending: Promise<void> | undefined

  constructor(options: WebhookAlertsOptions) {
    this.#options = options
  }

  emit(event: AlertEvent): void {
    if (this.#queue.length >= maxQueued) {
      this.#options.log.warn({ event: event.event }, 'alert dropped: too many are waiting for the webhook')
      return
    }
    this.#queue.push(event)
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined
    })
  }

  /** Resolves when everything emitted so far was sent or given up. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
  }

  async #drain(): Promise<void> {
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) await this.#send(event)
  }

  async #send(event: AlertEvent): Promise<void> {
    const { outbound, url, log, retryAfter = 1000, body: bodyOf = whole } = this.#options
    const body = JSON.stringify(bodyOf(event))
    let why: unknown
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        const headers = { 'content-type': 'application/json' }
        const { status } = await outbound.request('webhooks', url, { method: 'POST', headers, body, timeout })
        if (status < 300) return
        why = `status ${status}`
        if (status < 500 && status !== 429) break
      } catch (error) {
        why = error
      }
      if (attempt < attempts) await new Promise(resolve => setTimeout(resolve, retryAfter * 2 ** (attempt - 1)).unref())
    }
    log.warn({ event: event.event, event_group: event.event_group, err: why }, 'alert could not be sent to the webhook')
  }
}
