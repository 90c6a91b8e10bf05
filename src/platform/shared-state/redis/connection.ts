import { createClient, ErrorReply, RESP_TYPES } from '@redis/client'
import { StateUnavailable } from '../shared-state.ts'
import type { RedisNode, RedisOptions } from './options.ts'

export type Address = RedisNode | { readonly path: string }

type Client = ReturnType<typeof createClient>

/** Whether replies are texts or bytes. */
const asBytes = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } }

interface Login {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly db?: number | undefined
}

/**
 * One connection, for one life: what is lost is not repaired here but replaced by the link, which knows where the
 * primary is now and tells callers at once. So the client's own reconnecting, queueing and waiting are off.
 */
export class Connection {
  readonly address: Address
  readonly #client: Client
  readonly #timeout: number
  readonly #onLost: (reason: Error) => void
  #lost: StateUnavailable | undefined

  private constructor(client: Client, address: Address, timeout: number, onLost: (reason: Error) => void) {
    this.#client = client
    this.address = address
    this.#timeout = timeout
    this.#onLost = onLost
  }

  /** @throws StateUnavailable */
  static async open(
    address: Address,
    login: Login,
    options: Pick<RedisOptions, 'tls' | 'connectTimeout' | 'commandTimeout'>,
    onLost: (reason: Error) => void,
  ): Promise<Connection> {
    const { tls, connectTimeout = 2000, commandTimeout = 1000 } = options
    const client = createClient({
      socket: {
        ...address,
        connectTimeout,
        reconnectStrategy: false,
        ...(tls === undefined || 'path' in address ? {} : tlsOptions(tls)),
      },
      ...(login.username === undefined ? {} : { username: login.username }),
      ...(login.password === undefined ? {} : { password: login.password }),
      ...(login.db === undefined ? {} : { database: login.db }),
      // Messages of subscriptions and replies share the connection.
      RESP: 3,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      // Ours below; the client's would cost an AbortSignal per command and end when the command is written.
      commandOptions: { timeout: 0 },
    }) as Client
    const connection = new Connection(client, address, commandTimeout, onLost)
    client.on('error', error => connection.fail(error))
    try {
      // Later than the socket's own limit: a socket that connects after `destroy` would stay open.
      await within(connectTimeout + 50, client.connect())
    } catch (error) {
      connection.fail(error)
      throw connection.#lost
    }
    return connection
  }

  get lost(): boolean {
    return this.#lost !== undefined
  }

  /** @throws StateUnavailable, ErrorReply */
  send(args: readonly string[]): Promise<unknown> {
    return this.#awaited(this.#client.sendCommand(args))
  }

  /** Takes and gives bytes. The words are read when they are written. */
  sendBytes(args: ArrayLike<string | Buffer>): Promise<unknown> {
    return this.#awaited(this.#client.sendCommand(args as readonly (string | Buffer)[], asBytes))
  }

  subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    return this.#awaited(this.#client.subscribe(channel, listener))
  }

  /** Of this listener: without one the client would also forget those that subscribe before the answer. */
  unsubscribe(channel: string, listener: (message: string) => void): Promise<void> {
    return this.#awaited(this.#client.unsubscribe(channel, listener))
  }

  /** Ends it: what waits for an answer fails. */
  fail(cause: unknown): void {
    if (this.#lost !== undefined) return
    const why = cause instanceof Error ? cause.message : String(cause)
    this.#lost = cause instanceof StateUnavailable ? cause : new StateUnavailable(`Redis: ${why}`, { cause })
    this.#client.destroy()
    this.#onLost(this.#lost)
  }

  #awaited<T>(reply: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let waiting = true
      const timer = setTimeout(() => {
        // When this process was busy the answer may lie in the socket already: it is read before an immediate runs.
        setImmediate(() => {
          if (waiting) this.fail(new StateUnavailable(`Redis gave no answer within ${this.#timeout} ms`))
        })
      }, this.#timeout)
      reply.then(
        value => {
          waiting = false
          clearTimeout(timer)
          resolve(value)
        },
        error => {
          waiting = false
          clearTimeout(timer)
          reject(error instanceof ErrorReply ? error : (this.#lost ?? new StateUnavailable('Redis', { cause: error })))
        },
      )
    })
  }
}

function tlsOptions({ ca, cert, key, servername, rejectUnauthorized }: NonNullable<RedisOptions['tls']>) {
  return {
    tls: true as const,
    ...(ca === undefined ? {} : { ca: [ca].flat() }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: key.reveal() }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StateUnavailable(`Redis gave no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
