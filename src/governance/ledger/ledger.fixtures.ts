import type { KeyRow } from '../../platform/store/tables.ts'
import type { SpendCaller, SpendRecord } from './spend-record.ts'

type Changes = Partial<Omit<SpendRecord, 'caller'>> & { readonly caller?: Partial<SpendCaller> }

const nobody: SpendCaller = {
  token: undefined,
  keyAlias: undefined,
  userId: undefined,
  teamId: undefined,
  organizationId: undefined,
  projectId: undefined,
  agentId: undefined,
  endUser: undefined,
  sessionId: undefined,
  address: undefined,
}

let count = 0

/** A UUIDv7-like id that differs each time. */
export const anyId = (): string => `0190a000-0000-7000-8000-${String(++count).padStart(12, '0')}`

/** A call that went well, with whatever a test wants to be otherwise. */
export function record(changes: Changes = {}): SpendRecord {
  const startedAt = changes.startedAt ?? Date.UTC(2026, 10, 23, 12)
  return {
    id: anyId(),
    callId: undefined,
    startedAt,
    endedAt: startedAt + 120,
    route: '/v1/chat/completions',
    operation: 'chat',
    status: 200,
    error: undefined,
    model: 'fast',
    modelGroup: 'fast',
    deploymentId: 'd1',
    provider: 'openai',
    upstreamModel: 'gpt-4o-mini',
    cost: 5750,
    unpriced: false,
    costLines: [
      { item: 'input', units: 100, cost: 1500 },
      { item: 'output', units: 50, cost: 4250 },
    ],
    tokens: { input: 100, output: 50, cacheRead: 0, cacheWrite: 0, reasoning: 0 },
    stream: false,
    cacheHit: false,
    attempts: 1,
    fallbacks: 0,
    latency: { total: 120.5, upstream: 118.25, overhead: 2.25, ttft: undefined },
    tags: [],
    metadata: undefined,
    ...changes,
    caller: { ...nobody, ...changes.caller },
  }
}

/** Columns every managed object has. */
export const managed = { settings: '{}', created_at: 0, created_by: null, updated_at: 0, updated_by: null } as const

/** A key that may do everything. */
export const keyRow = (token: string): KeyRow => ({
  token,
  key_name: 'sk-...test',
  key_alias: null,
  user_id: null,
  team_id: null,
  organization_id: null,
  project_id: null,
  agent_id: null,
  budget_id: null,
  spend: 0,
  budget_reset_at: null,
  expires_at: null,
  blocked: 0,
  rotates_at: null,
  last_active_at: null,
  ...managed,
})
