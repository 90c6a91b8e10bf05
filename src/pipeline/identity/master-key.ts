import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Principal, Proof } from '../../governance/authentication/principal.ts'
import { tokenOf } from '../../governance/authentication/token-hash.ts'

/** Bytes compared at least; keys are shorter. */
const smallestComparison = 256

/** The administrator's key, compared in constant time. */
export class MasterKey {
  readonly principal: Principal
  readonly #key: Buffer
  /** The presented key is copied in here, so that a comparison allocates nothing and always reads as many bytes. */
  readonly #presented: Buffer
  readonly #length: number

  constructor(key: string, proof: Extract<Proof, 'master_key' | 'admin_key'> = 'master_key') {
    this.#length = Buffer.byteLength(key)
    const size = Math.max(this.#length, smallestComparison)
    this.#key = Buffer.alloc(size)
    this.#key.write(key)
    this.#presented = Buffer.alloc(size)
    this.principal = administrator(proof, tokenOf(key))
  }

  matches(presented: string): boolean {
    this.#presented.fill(0)
    this.#presented.write(presented)
    // Both are padded to one length: the time of the comparison tells nothing about the key, its length included.
    const same = timingSafeEqual(this.#presented, this.#key)
    return same && Buffer.byteLength(presented) === this.#length
  }
}

/** An administrator without limits. */
export function administrator(proof: Proof, token: string): Principal {
  return {
    proof,
    token,
    keyHash: token.slice(0, 16),
    role: 'proxy_admin',
    admin: true,
    keyAlias: undefined,
    userId: undefined,
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
  }
}

/** A key for a gateway that was started without one: never open by default. */
export function generateMasterKey(): string {
  return `sk-${randomBytes(24).toString('base64url')}`
}
