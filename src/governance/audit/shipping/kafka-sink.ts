import type { Producer, ProducerOptions } from '@platformatic/kafka'
import type { Secret } from '../../../platform/security/secret.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { encodingVersion, recordLine } from '../record.ts'
import { kafkaRefusal, refusesIdempotence } from './kafka-failure.ts'
import type { AuditSink, Batch, BatchLimits } from './sink.ts'

export interface KafkaSinkSettings {
  readonly name: string
  /** `host:port`. */
  readonly brokers: readonly string[]
  readonly topic: string
  readonly clientId: string
  readonly sasl: KafkaSasl | undefined
  /** Certificates in PEM; undefined: plain text. */
  readonly tls:
    | { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer; readonly servername?: string }
    | undefined
  readonly limits: BatchLimits
}

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: Secret
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: Secret }

interface Message {
  readonly topic: string
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

type TextProducer = Producer<string, string, string, string>

/**
 * One message per record: key = object id, so that what happened to one object stays in order; value = the record's
 * line; headers `seq`, `id`, `action`. Every replica in sync must have it (`acks: all`), and the producer is idempotent
 * where the cluster allows it, so retries inside a batch double nothing. A batch that failed as a whole is sent again by
 * a new producer and may arrive twice: consumers de-duplicate by `seq`.
 *
 * The client opens its own sockets to the configured brokers; this is the one exception to the outbound door.
 */
export class KafkaSink implements AuditSink {
  readonly name: string
  readonly description: string
  readonly limits: BatchLimits
  readonly #settings: KafkaSinkSettings
  readonly #log: Logger
  #producer: Promise<TextProducer> | undefined
  #idempotent = true

  constructor(settings: KafkaSinkSettings, log: Logger) {
    this.name = settings.name
    this.description = `kafka://${settings.brokers.join(',')}/${settings.topic}`
    this.limits = settings.limits
    this.#settings = settings
    this.#log = log
  }

  async send({ records }: Batch, signal: AbortSignal): Promise<void> {
    const { topic } = this.#settings
    await this.#produce(
      records.map(record => ({
        topic,
        key: record.object_id,
        value: recordLine(record),
        headers: {
          'routeiq-audit': String(encodingVersion),
          seq: String(record.seq),
          id: record.id,
          action: record.action,
        },
      })),
      signal,
    )
  }

  async sendCheckpoint(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const headers = { 'routeiq-audit-checkpoint': '1', seq: String(checkpoint.seq) }
    const value = JSON.stringify(checkpoint)
    await this.#produce([{ topic: this.#settings.topic, key: 'checkpoint', value, headers }], signal)
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.then(client => client.close(true)).catch(() => undefined)
  }

  async #produce(messages: readonly Message[], signal: AbortSignal): Promise<void> {
    try {
      await this.#attempt(messages, signal)
    } catch (error) {
      // Its sequence numbers may be off by now, and its connections dead.
      await this.close()
      if (!this.#idempotent || !refusesIdempotence(error)) throw kafkaRefusal(error)
      this.#log.warn({ sink: this.name }, 'audit: the Kafka cluster allows no idempotent writes; going on without')
      this.#idempotent = false
      await this.#attempt(messages, signal)
    }
  }

  async #attempt(messages: readonly Message[], signal: AbortSignal): Promise<void> {
    this.#producer ??= this.#connect()
    const producer = await this.#producer
    signal.throwIfAborted()
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      const sending = producer.send({ messages: messages.map(message => ({ ...message })) })
      // When the race is lost the producer is closed, and `sending` rejects with nobody there.
      sending.catch(() => undefined)
      await Promise.race([sending, aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async #connect(): Promise<TextProducer> {
    const { Producer: Client, ProduceAcks, stringSerializers } = await import('@platformatic/kafka')
    const { brokers, clientId, sasl, tls } = this.#settings
    const options: ProducerOptions<string, string, string, string> = {
      clientId,
      bootstrapBrokers: [...brokers],
      serializers: stringSerializers,
      idempotent: this.#idempotent,
      acks: ProduceAcks.ALL,
      // Two tries inside a batch; the shipper does the patient waiting. (0 or 1 would mean "for ever" to this client.)
      retries: 2,
      retryDelay: 250,
      connectTimeout: 5000,
      requestTimeout: 10_000,
      timeout: 10_000,
      ...(tls && { tls: { ...tls } }),
      ...(sasl && { sasl: saslOptions(sasl) }),
    }
    return new Client(options)
  }
}

function saslOptions(sasl: KafkaSasl): NonNullable<ProducerOptions<string, string, string, string>['sasl']> {
  if (sasl.mechanism === 'OAUTHBEARER') return { mechanism: sasl.mechanism, token: () => sasl.token.reveal() }
  const { mechanism, username, password } = sasl
  return { mechanism, username, password: () => password.reveal() }
}
