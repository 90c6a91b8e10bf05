import type { SpendRecord } from '../spend-record.ts'
import { dateOf, failed } from './ledger-row.ts'

/** The calls of a batch that are alike in everything sums are kept by. Most batches hold few kinds of call. */
export interface Profile {
  readonly date: string
  /** Any one of them: for what they have in common. */
  readonly sample: SpendRecord
  requests: number
  failedRequests: number
  cost: number
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  reasoningTokens: number
  cacheHits: number
  cachedOutputTokens: number
  durationMs: number
  /** Epoch ms at which the latest of them ended. */
  lastActive: number
  firstStartedAt: number
  /** Of each call: the period in which it started decides whether its cost counts. */
  readonly startedAt: number[]
  readonly costs: number[]
}

/** Groups records by profile: a call is looked at once, and every table's sums are made of a few profiles. */
export class Profiles {
  readonly #profiles = new Map<string, Profile>()

  add(record: SpendRecord): void {
    const { caller, tokens } = record
    const date = dateOf(record.startedAt)
    const key =
      `${text(caller.token)}${text(caller.userId)}${text(caller.endUser)}${text(record.upstreamModel)}` +
      `${text(record.modelGroup)}${text(record.provider)}${record.route}\0${text(caller.teamId)}` +
      `${text(caller.organizationId)}${text(caller.projectId)}${text(caller.agentId)}${date}` +
      (record.tags.length === 0 ? '' : record.tags.join('\0'))
    let profile = this.#profiles.get(key)
    if (profile === undefined) {
      profile = emptyProfile(date, record)
      this.#profiles.set(key, profile)
    }
    profile.requests++
    if (failed(record)) profile.failedRequests++
    profile.cost += record.cost
    profile.inputTokens += tokens.input
    profile.outputTokens += tokens.output
    profile.cacheReadTokens += tokens.cacheRead
    profile.cacheWriteTokens += tokens.cacheWrite
    profile.reasoningTokens += tokens.reasoning
    if (record.cacheHit) {
      profile.cacheHits++
      profile.cachedOutputTokens += tokens.output
    }
    profile.durationMs += Math.max(0, Math.round(record.latency.total))
    if (record.endedAt > profile.lastActive) profile.lastActive = record.endedAt
    if (record.cost === 0) return
    if (record.startedAt < profile.firstStartedAt) profile.firstStartedAt = record.startedAt
    profile.startedAt.push(record.startedAt)
    profile.costs.push(record.cost)
  }

  values(): Iterable<Profile> {
    return this.#profiles.values()
  }
}

/** No stored text holds U+0000, so that nothing is not the same as any text. */
const text = (value: string | undefined): string => (value === undefined ? '\0\0' : `${value}\0`)

const emptyProfile = (date: string, sample: SpendRecord): Profile => ({
  date,
  sample,
  requests: 0,
  failedRequests: 0,
  cost: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  cacheHits: 0,
  cachedOutputTokens: 0,
  durationMs: 0,
  lastActive: 0,
  firstStartedAt: Number.POSITIVE_INFINITY,
  startedAt: [],
  costs: [],
})

/** The cost of the calls that started at `since` or later. */
export function costSince(profile: Profile, since: number): number {
  if (profile.firstStartedAt >= since) return profile.cost
  let total = 0
  for (let index = 0; index < profile.costs.length; index++) {
    if ((profile.startedAt[index] ?? 0) >= since) total += profile.costs[index] ?? 0
  }
  return total
}
