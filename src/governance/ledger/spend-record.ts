/**
 * One call, as the books know it. Written once, by id, for every call on every surface, refused and failed ones
 * included. No prompt, no answer: bodies are kept apart, and only when asked.
 */
export interface SpendRecord {
  /**
   * UUIDv7 made by the gateway, never by the caller: the idempotency key of the ledger. An id that callers choose would
   * let them send every call under one id and pay for the first.
   */
  readonly id: string
  /** The id the caller saw (`x-litellm-call-id`), where it brought its own; undefined: `id` is what it saw. */
  readonly callId: string | undefined
  /** Epoch milliseconds. Decides the day and the budget window the call belongs to. */
  readonly startedAt: number
  readonly endedAt: number
  /** Canonical route, `/v1/chat/completions`. */
  readonly route: string
  readonly operation: string
  /** HTTP status the caller got; 499 when it left. */
  readonly status: number
  /** Code or failure kind; undefined for a success. */
  readonly error: string | undefined
  readonly caller: SpendCaller
  /** As asked for. */
  readonly model: string
  /** As served. */
  readonly modelGroup: string | undefined
  readonly deploymentId: string | undefined
  readonly provider: string | undefined
  readonly upstreamModel: string | undefined
  /** Nano-dollars; 0 when nothing was used or no price is known (`unpriced`). */
  readonly cost: number
  readonly unpriced: boolean
  /** Cost line by line: what, how many units, nano-dollars. Sums to `cost`. */
  readonly costLines: readonly CostLine[]
  readonly tokens: SpendTokens
  readonly stream: boolean
  readonly cacheHit: boolean
  readonly attempts: number
  readonly fallbacks: number
  /** Milliseconds by phase. */
  readonly latency: {
    readonly total: number
    readonly upstream: number
    readonly overhead: number
    readonly ttft: number | undefined
  }
  readonly tags: readonly string[]
  /** `spend_logs_metadata` and other metadata the caller sent for the books; bounded. */
  readonly metadata: Readonly<Record<string, unknown>> | undefined
}

/** Who made the call. `token` is the key's full SHA-256 in hex; undefined for the master key. */
export interface SpendCaller {
  readonly token: string | undefined
  readonly keyAlias: string | undefined
  readonly userId: string | undefined
  readonly teamId: string | undefined
  readonly organizationId: string | undefined
  readonly projectId: string | undefined
  readonly agentId: string | undefined
  readonly endUser: string | undefined
  readonly sessionId: string | undefined
  readonly address: string | undefined
}

export interface CostLine {
  /** `input`, `cache_read`, `cache_write`, `output`, `reasoning`, `audio_input`, `per_request`, … */
  readonly item: string
  readonly units: number
  /** Nano-dollars. */
  readonly cost: number
}

export interface SpendTokens {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly reasoning: number
}
