import type { Explanation } from '../pipeline/accounting/explain.ts'
import type { ArtifactStatus } from '../pipeline/routing/learned/artifact-status.ts'
import type { SecretStatus } from '../platform/secrets/secret-status.ts'
import type { DenialRecord } from '../platform/security/egress-denials.ts'

/** What came of a reload. */
export interface ReloadResult {
  readonly applied: boolean
  /** Version and hash now in force. */
  readonly version: number
  readonly hash: string
  /** Why the new configuration was refused, one line each; empty when it was applied. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/** All worker processes of this gateway, seen from one of them: what one door asks is answered for the whole. */
export interface Fleet {
  reload(): Promise<ReloadResult>
  /** Prometheus text, summed over workers. */
  metrics(): Promise<string>
  /** What the outbound door refused lately. */
  egressDenials(): Promise<DenialRecord[]>
  /** The secrets in use and their state. */
  secrets(): Promise<SecretStatus[]>
  /** Trained routers on disk: which are in use, and why others are not. */
  artifacts(): Promise<ArtifactStatus[]>
  explain(id: string, keyHash: string): Promise<Explanation | undefined>
}
