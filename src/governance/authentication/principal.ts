import type { Role } from '../authorization/roles.ts'
import type { LimitRule } from '../limits/limit-rule.ts'

/** How the caller proved who it is. */
export type Proof = 'master_key' | 'admin_key' | 'virtual_key' | 'jwt' | 'oauth2' | 'session' | 'custom' | 'public'

/**
 * Who is calling, compiled: everything later stages ask of a caller, looked up and joined once (key, team, membership,
 * user, organization, project, budgets, access groups) and then kept. Immutable; a change in the control plane makes
 * another.
 */
export interface Principal {
  readonly proof: Proof
  /** SHA-256 of the key in hex; of the subject for tokens without a key. Names the caller in shared state. */
  readonly token: string
  /** First 16 digits of `token`: how logs and explain records name the caller. */
  readonly keyHash: string
  readonly role: Role
  /** `role` is `proxy_admin`. */
  readonly admin: boolean
  readonly keyAlias: string | undefined
  readonly userId: string | undefined
  readonly userEmail: string | undefined
  readonly teamId: string | undefined
  readonly teamAlias: string | undefined
  readonly organizationId: string | undefined
  readonly projectId: string | undefined
  readonly agentId: string | undefined
  /** From a token claim; a request body may name another. */
  readonly endUserId: string | undefined
  /** Teams the caller administers, and organizations it is `org_admin` of. */
  readonly adminOfTeams: readonly string[]
  readonly adminOfOrganizations: readonly string[]
  /** Teams the caller belongs to, and what each lets its members do (`/key/generate`, …). */
  readonly memberOfTeams: ReadonlyMap<string, readonly string[]>
  /** Patterns or group names of LiteLLM; empty: what the role allows. */
  readonly allowedRoutes: readonly string[]
  /** One entry per level that restricts models; a model must pass every one. Empty: all models. */
  readonly modelAccess: readonly ModelAccess[]
  /** The key's own names for models. */
  readonly aliases: Readonly<Record<string, string>>
  /** Every limit of every scope that is known without the request. Master and admin keys have none. */
  readonly limits: readonly LimitRule[]
  /** Tags every call of this caller gets. */
  readonly tags: readonly string[]
  /** Metadata of the key over that of its team: switches such as `allow_client_tags`, `priority`, `spend_logs_metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Fields every request must have. */
  readonly enforcedParams: readonly string[]
  /** Epoch ms. */
  readonly expiresAt: number | undefined
  /** What response headers tell of the key. */
  readonly keyLimits: {
    readonly tpm: number | undefined
    readonly rpm: number | undefined
    /** Nano-dollars. */
    readonly maxBudget: number | undefined
  }
}

/** The models one level (key, team, user, organization, project, member) may use. */
export interface ModelAccess {
  readonly level: 'key' | 'team' | 'team_member' | 'user' | 'organization' | 'project'
  readonly id: string
  /** Names, wildcards (`anthropic/*`), access groups; `all-proxy-models`, `all-team-models`, `no-default-models` are resolved before. */
  readonly models: readonly string[]
}
