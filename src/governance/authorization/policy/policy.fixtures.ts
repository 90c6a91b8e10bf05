import type { Principal } from '../../authentication/principal.ts'
import type { RouteFacts } from '../route-groups.ts'
import type { AccessQuestion } from './conditions.ts'

/** Somebody with a key; fields as a test wants them. */
export const someone = (fields: Partial<Principal> = {}): Principal => ({
  proof: 'virtual_key',
  token: 'a'.repeat(64),
  keyHash: 'a'.repeat(16),
  role: 'internal_user',
  admin: false,
  keyAlias: undefined,
  userId: 'ann',
  userEmail: undefined,
  teamId: undefined,
  teamAlias: undefined,
  organizationId: undefined,
  projectId: undefined,
  agentId: undefined,
  endUserId: undefined,
  adminOfTeams: [],
  adminOfOrganizations: [],
  memberOfTeams: new Map(),
  allowedRoutes: [],
  modelAccess: [],
  aliases: {},
  limits: [],
  tags: [],
  metadata: {},
  enforcedParams: [],
  expiresAt: undefined,
  keyLimits: { tpm: undefined, rpm: undefined, maxBudget: undefined },
  ...fields,
})

export const chatRoute: RouteFacts = {
  paths: ['/v1/chat/completions'],
  groups: ['llm_api_routes', 'openai_routes'],
}

export const question = (fields: Partial<AccessQuestion> = {}): AccessQuestion => ({
  principal: someone(),
  route: chatRoute,
  address: '10.1.2.3',
  at: Date.parse('2026-03-04T10:30:00Z'),
  call: { models: ['gpt-4o'], tools: [], tags: [] },
  ...fields,
})
