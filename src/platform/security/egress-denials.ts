import type { DenialKind } from './egress-policy.ts'
import type { EgressPurpose } from './egress-purpose.ts'

/** One refused destination, and how often it was asked for. As served at GET /v1/routeiq/egress/denials. */
export interface DenialRecord {
  readonly purpose: EgressPurpose
  /** Empty where the address was no URL. */
  readonly host: string
  readonly port: string
  /** The class of address, or `port`, `scheme`, `credentials`, `invalid_url`, `redirect`. */
  readonly reason: DenialKind
  readonly count: number
  /** ISO 8601. */
  readonly first_seen: string
  readonly last_seen: string
}

export interface Denial {
  readonly purpose: EgressPurpose
  readonly host: string
  readonly port: string
  readonly kind: DenialKind
}

interface Entry extends Denial {
  count: number
  first: number
  last: number
  /** When it was last worth a log line. */
  told: number
  /** Refusals since then. */
  untold: number
}

export interface DenialLogOptions {
  /** Destinations remembered. Default 500; the one refused longest ago makes room. */
  readonly entries?: number
  /** Milliseconds between two log lines about one destination. Default 60,000. */
  readonly quiet?: number
  /** Wall-clock milliseconds. */
  readonly epoch?: () => number
  /** Told of every refusal, for the metric. */
  readonly onDenial?: (denial: Denial) => void
  /** Told when a line should be logged; `repeated` counts the refusals since the line before. */
  readonly onNews?: (denial: Denial, repeated: number) => void
}

/** Longest name DNS allows; what a caller wrote may be longer. */
const maxHost = 253

/** What the outbound door refused lately, one entry per destination, so that a flood of one does not hide the others. */
export class DenialLog {
  readonly #entries = new Map<string, Entry>()
  readonly #size: number
  readonly #quiet: number
  readonly #epoch: () => number
  readonly #options: DenialLogOptions

  constructor(options: DenialLogOptions = {}) {
    this.#options = options
    this.#size = options.entries ?? 500
    this.#quiet = options.quiet ?? 60_000
    this.#epoch = options.epoch ?? Date.now
  }

  add(given: Denial): void {
    const denial = { ...given, host: given.host.slice(0, maxHost) }
    const now = this.#epoch()
    const key = `${denial.purpose} ${denial.kind} ${denial.port} ${denial.host}`
    const known = this.#entries.get(key)
    const entry = known ?? { ...denial, count: 0, first: now, last: now, told: Number.NEGATIVE_INFINITY, untold: 0 }
    // To the end of the map: what stands first was refused longest ago.
    if (known !== undefined) this.#entries.delete(key)
    else this.#makeRoom()
    this.#entries.set(key, entry)
    entry.count++
    entry.last = now
    this.#options.onDenial?.(denial)
    if (now - entry.told < this.#quiet) {
      entry.untold++
      return
    }
    const repeated = entry.untold
    entry.told = now
    entry.untold = 0
    this.#options.onNews?.(denial, repeated)
  }

  /** The latest first. */
  list(): DenialRecord[] {
    return [...this.#entries.values()].reverse().map(({ purpose, host, port, kind, count, first, last }) => ({
      purpose,
      host,
      port,
      reason: kind,
      count,
      first_seen: new Date(first).toISOString(),
      last_seen: new Date(last).toISOString(),
    }))
  }

  #makeRoom(): void {
    if (this.#entries.size < this.#size) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}

/** The records of several processes as one list. */
export function mergeDenials(lists: readonly (readonly DenialRecord[])[]): DenialRecord[] {
  const merged = new Map<string, DenialRecord>()
  for (const record of lists.flat()) {
    const key = `${record.purpose} ${record.reason} ${record.port} ${record.host}`
    const known = merged.get(key)
    merged.set(
      key,
      known === undefined
        ? record
        : {
            ...known,
            count: known.count + record.count,
            first_seen: known.first_seen < record.first_seen ? known.first_seen : record.first_seen,
            last_seen: known.last_seen > record.last_seen ? known.last_seen : record.last_seen,
          },
    )
  }
  return [...merged.values()].sort((a, b) => (a.last_seen < b.last_seen ? 1 : a.last_seen > b.last_seen ? -1 : 0))
}
